// A fast 64-bit checksum: tells damage and versions apart, keeps no secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace troupe::model {

// Eight lanes of multiply and rotate, so that memory is the limit. `on_part`, if any, is called
// after each kPartBytes and at the end: a disk may take minutes for a large file.
std::uint64_t checksum(std::span<const std::byte> bytes, const std::function<void()>& on_part = {});

// What a slow disk (20 MB/s) reads or allocates in less than two seconds.
inline constexpr std::size_t kPartBytes = std::size_t{32} << 20;

std::string hexadecimal(std::uint64_t value);  // 16 digits

}  // namespace troupe::model
