#include "apps/token_list.hpp"

#include <nlohmann/json.hpp>

#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

using config::UserError;
using Json = nlohmann::json;

Json parse(std::string_view text, const std::string& name) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    throw UserError(name + ": is not valid JSON at byte " + std::to_string(error.byte) +
                    "; it must hold a list of token ids");
  } catch (const Json::exception&) {
    throw UserError(name + ": holds a number that is no token id");
  }
}

}  // namespace

std::vector<std::int32_t> parse_token_list(std::string_view text,
                                           const std::string& name,
                                           std::int32_t vocab) {
  const Json json = parse(text, name);
  const Json& list = json.is_object() && json.contains("ids") ? json["ids"] : json;
  if (!list.is_array()) {
    throw UserError(name +
                    R"(: must hold a JSON list of token ids, like [1, 2], or {"ids": [1, 2]})");
  }
  std::vector<std::int32_t> ids;
  for (const Json& entry : list) {
    const std::string place = name + ": entry " + std::to_string(ids.size());
    if (!entry.is_number_integer()) throw UserError(place + " is no integer; token ids are");
    const bool negative = !entry.is_number_unsigned() && entry.get<std::int64_t>() < 0;
    if (negative || entry.get<std::uint64_t>() >= static_cast<std::uint64_t>(vocab)) {
      throw UserError(place + " (" + entry.dump() + ") is not in the vocabulary of " +
                      std::to_string(vocab) + " tokens");
    }
    ids.push_back(entry.get<std::int32_t>());
  }
  if (ids.empty()) throw UserError(name + ": holds no token; give at least one");
  return ids;
}

}  // namespace troupe::apps
