// A fast 64-bit checksum: tells damage and versions apart, keeps no secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace troupe::model {

// Eight lanes of multiply and rotate, so that memory is the limit.
std::uint64_t checksum(std::span<const std::byte> bytes);

std::string hexadecimal(std::uint64_t value);  // 16 digits

}  // namespace troupe::model
