// What methods of strings and filters do alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/runtime.hpp"

namespace troupe::jinja {

// Without white space at the ends, or without `characters` when it is no None.
Value strip_text(
    Runtime& runtime, const Value& text, const Value& characters, bool left, bool right);
// `map`, one of unicode.hpp, of a text.
Value map_text(Budget& budget, const Value& text, std::string (*map)(std::string_view));
// Parts of `text`. At runs of white space, at most `count` times; below 0: always.
std::vector<std::string_view> split_at_space(Budget& budget,
                                             std::string_view text,
                                             std::int64_t count,
                                             bool from_right);
// `separator` must not be empty.
std::vector<std::string_view> split_at(Budget& budget,
                                       std::string_view text,
                                       std::string_view separator,
                                       std::int64_t count,
                                       bool from_right);
// As str.splitlines() splits; `keep_ends` leaves each line its end.
std::vector<std::string_view> split_lines(Budget& budget, std::string_view text, bool keep_ends);
// The first `count` of `old` as `fresh`; below 0: all.
std::string replace_text(Budget& budget,
                         std::string_view text,
                         std::string_view old,
                         std::string_view fresh,
                         std::int64_t count);

}  // namespace troupe::jinja
