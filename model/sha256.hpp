// SHA-256 (FIPS 180-4), as publishers of models state it beside their files.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace troupe::model {

// 64 lower-case hexadecimal digits. `on_part`, if any, is called after each kPartBytes of
// checksum.hpp and at the end: large files take seconds.
std::string sha256(std::span<const std::byte> bytes, const std::function<void()>& on_part = {});

}  // namespace troupe::model
