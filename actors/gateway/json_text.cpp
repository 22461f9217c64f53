#include "actors/gateway/json_text.hpp"

#include "model/utf8.hpp"

namespace troupe::actors::gateway {
namespace {

// Counts brackets outside strings; whether they match is the parser's business.
bool nests_too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kJsonDepthMax) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::variant<Json, JsonFault> parse_json(std::string_view text) {
  if (const std::size_t valid = model::utf8::valid_prefix(text); valid != text.size()) {
    return JsonFault{"the body is not valid UTF-8 at byte " + std::to_string(valid)};
  }
  if (nests_too_deep(text)) {
    return JsonFault{"the JSON nests deeper than " + std::to_string(kJsonDepthMax) + " levels"};
  }
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return JsonFault{"the body is not valid JSON at byte " + std::to_string(error.byte)};
  } catch (const Json::exception&) {
    return JsonFault{"the body holds a number that does not fit"};
  }
}

std::string to_text(const ReplyJson& json) {
  return json.dump(-1, ' ', false, ReplyJson::error_handler_t::replace);
}

}  // namespace troupe::actors::gateway
