#include "apps/file_checksums.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "apps/text_file.hpp"
#include "model/sha256.hpp"

namespace troupe::apps {
namespace {

// A digest, two spaces and the longest path.
constexpr std::size_t kStatementBytesMax = 8192;
constexpr std::size_t kDigits = 64;

std::optional<std::string> read_statement(const std::string& file) {
  const std::string beside = file + ".sha256";
  std::error_code error;
  if (!std::filesystem::exists(beside, error)) return std::nullopt;
  return stated_sha256(read_text_file(beside, kStatementBytesMax));
}

}  // namespace

std::string stated_sha256(const std::string& text) {
  std::string digest = text.substr(0, kDigits);
  const auto is_digit = [](unsigned char character) { return std::isxdigit(character) != 0; };
  const bool ends =
      text.size() <= kDigits || std::isspace(static_cast<unsigned char>(text[kDigits]));
  if (digest.size() < kDigits || !ends || !std::ranges::all_of(digest, is_digit)) return {};
  std::ranges::transform(digest, digest.begin(), [](unsigned char character) {
    return static_cast<char>(std::tolower(character));
  });
  return digest;
}

std::vector<FileChecksum> file_checksums(const model::ModelFile& file,
                                         const std::function<void()>& on_part) {
  std::vector<FileChecksum> checksums;
  for (const model::MappedPart& part : file.parts()) {
    checksums.push_back({.file = part.name,
                         .bytes = part.bytes.size(),
                         .sha256 = model::sha256(part.bytes, on_part),
                         .stated = read_statement(part.name)});
  }
  return checksums;
}

}  // namespace troupe::apps
