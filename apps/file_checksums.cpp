#include "apps/file_checksums.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <utility>

#include "model/sha256.hpp"

namespace troupe::apps {
namespace {

constexpr std::size_t kDigits = 64;

std::optional<std::string> read_statement(const std::string& file) {
  const std::string beside = file + ".sha256";
  std::error_code error;
  if (!std::filesystem::exists(beside, error)) return std::nullopt;
  // The digest and what follows it. Opening anything but a file could wait for ever.
  std::string text(kDigits + 1, '\0');
  std::ifstream in;
  if (std::filesystem::is_regular_file(beside, error)) in.open(beside, std::ios::binary);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return stated_sha256(text);
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
                                         const std::function<bool()>& goes_on) {
  std::vector<FileChecksum> checksums;
  for (const model::MappedPart& part : file.parts()) {
    std::string digest = model::sha256(part.bytes, goes_on);
    if (digest.empty()) break;
    checksums.push_back({.file = part.name,
                         .bytes = part.bytes.size(),
                         .sha256 = std::move(digest),
                         .stated = read_statement(part.name)});
  }
  return checksums;
}

}  // namespace troupe::apps
