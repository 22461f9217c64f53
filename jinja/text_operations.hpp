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
// At runs of white space, at most `count` times; below 0: always.
std::vector<std::string> split_at_space(std::string_view text, std::int64_t count, bool from_right);
// `separator` must not be empty.
std::vector<std::string> split_at(std::string_view text,
                                  std::string_view separator,
                                  std::int64_t count,
                                  bool from_right);
// The first `count` of `old` as `fresh`; below 0: all.
std::string replace_text(Runtime& runtime,
                         const std::string& text,
                         const std::string& old,
                         const std::string& fresh,
                         std::int64_t count);

}  // namespace troupe::jinja
