// SHA-256 (FIPS 180-4), as publishers of models state it beside their files.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace troupe::model {

// 64 lower-case hexadecimal digits. `goes_on`, if any, is asked after each kPartBytes of
// checksum.hpp, because large files take seconds; nothing is returned when it says no.
std::string sha256(std::span<const std::byte> bytes, const std::function<bool()>& goes_on = {});

}  // namespace troupe::model
