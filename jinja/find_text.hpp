// Where one text stands within another, in time linear in both and charged for as it passes.
#pragma once

#include <string_view>

#include "jinja/limits.hpp"

namespace troupe::jinja {

// The first place of `wanted` in `text` from `begin` on, in bytes; npos: none.
std::size_t find_text(Budget& budget,
                      std::string_view text,
                      std::string_view wanted,
                      std::size_t begin = 0);
// The last one.
std::size_t find_last_text(Budget& budget, std::string_view text, std::string_view wanted);

}  // namespace troupe::jinja
