// JSON from strangers and for strangers: bounded and checked on the way in, always valid on the way
// out.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

namespace troupe::actors::gateway {

// What was parsed: keys in a tree, so that no number of keys makes it slow.
using Json = nlohmann::json;

// What is written: keeps the order of keys, so that replies read like OpenAI's.
using ReplyJson = nlohmann::ordered_json;

// Deeper than any request of the API (messages → content → part is 4) with room for fields that are
// ignored; a bound at all, because a few bytes open a level.
inline constexpr std::size_t kJsonDepthMax = 64;

struct JsonFault {
  std::string message;
};

// Parses `text`. Refuses invalid UTF-8 and deep nesting before it builds anything; no exception
// leaves it. Of duplicate keys one wins.
std::variant<Json, JsonFault> parse_json(std::string_view text);

// One line. Bytes that are no UTF-8 become U+FFFD; numbers that JSON lacks become null.
std::string to_text(const ReplyJson& json);

}  // namespace troupe::actors::gateway
