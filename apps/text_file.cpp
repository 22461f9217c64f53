#include "apps/text_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "config/user_error.hpp"

namespace troupe::apps {

using config::UserError;

std::string read_text_file(const std::filesystem::path& path, std::size_t bytes_max) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw UserError(path.string() + " is a folder: name a file in it");
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw UserError(path.string() + ": cannot be read (" + std::strerror(errno) +
                    "): check the name and its permissions");
  }
  std::string text;
  char piece[1 << 16];
  while (in.read(piece, sizeof piece), in.gcount() > 0) {
    text.append(piece, static_cast<std::size_t>(in.gcount()));
    if (text.size() > bytes_max) {
      throw UserError(path.string() + " is longer than " + std::to_string(bytes_max >> 20U) +
                      " MiB: split it");
    }
  }
  return text;
}

}  // namespace troupe::apps
