#include "model/sha256.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "config/check.hpp"
#include "model/checksum.hpp"

namespace troupe::model {

std::string sha256(std::span<const std::byte> bytes, const std::function<bool()>& goes_on) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  const bool begun = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  CHECK(begun, "every build of OpenSSL has SHA-256");
  while (!bytes.empty()) {
    const std::size_t size = std::min(kPartBytes, bytes.size());
    CHECK(EVP_DigestUpdate(context.get(), bytes.data(), size) == 1, "hashing memory cannot fail");
    bytes = bytes.subspan(size);
    if (goes_on && !goes_on()) return {};
  }
  std::array<unsigned char, 32> digest{};
  CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1, "the digest has 32 bytes");
  std::string text;
  for (const unsigned byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15U];
  }
  return text;
}

}  // namespace troupe::model
