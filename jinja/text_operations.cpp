#include "jinja/text_operations.hpp"

#include <algorithm>

#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {

Value strip_text(
    Runtime& runtime, const Value& text, const Value& characters, bool left, bool right) {
  std::string_view kept = text.as_text()->bytes;
  runtime.budget.charge(kept.size());
  if (characters.is_none()) {
    if (left) kept = unicode::strip_left(kept);
    if (right) kept = unicode::strip_right(kept);
  } else {
    if (!characters.is_text()) throw RenderError("strip arg must be None or str");
    const std::u32string set = unicode::decode(characters.as_text()->bytes);
    runtime.budget.charge(set.size() * (set.size() < 64 ? 1 : kept.size()));
    if (left) kept = unicode::strip_left(kept, set);
    if (right) kept = unicode::strip_right(kept, set);
  }
  return make_text(runtime.budget, std::string(kept), text.as_text()->is_markup);
}

std::vector<std::string> split_at_space(std::string_view text,
                                        std::int64_t count,
                                        bool from_right) {
  std::vector<std::string> parts;
  text = from_right ? unicode::strip_right(text) : unicode::strip_left(text);
  while (!text.empty() && count-- != 0) {
    // The word next to this end.
    std::size_t end = text.size();
    if (from_right) {
      const std::size_t begin = unicode::strip_right_word(text).size();
      parts.emplace_back(text.substr(begin));
      text = unicode::strip_right(text.substr(0, begin));
    } else {
      for (std::size_t position = 0; position < text.size();) {
        const std::size_t here = position;
        if (!unicode::is_space(unicode::next(text, position))) continue;
        end = here;
        break;
      }
      parts.emplace_back(text.substr(0, end));
      text = unicode::strip_left(text.substr(end));
    }
  }
  if (!text.empty())
    parts.emplace_back(from_right ? unicode::strip_left(text) : unicode::strip_right(text));
  if (from_right) std::ranges::reverse(parts);
  return parts;
}

std::vector<std::string> split_at(std::string_view text,
                                  std::string_view separator,
                                  std::int64_t count,
                                  bool from_right) {
  std::vector<std::string> parts;
  while (count-- != 0) {
    const std::size_t place = from_right ? text.rfind(separator) : text.find(separator);
    if (place == std::string_view::npos) break;
    if (from_right) {
      parts.emplace_back(text.substr(place + separator.size()));
      text = text.substr(0, place);
    } else {
      parts.emplace_back(text.substr(0, place));
      text = text.substr(place + separator.size());
    }
  }
  parts.emplace_back(text);
  if (from_right) std::ranges::reverse(parts);
  return parts;
}

std::string replace_text(Runtime& runtime,
                         const std::string& text,
                         const std::string& old,
                         const std::string& fresh,
                         std::int64_t count) {
  std::string replaced;
  runtime.budget.charge(text.size());
  std::size_t position = 0;
  while (count-- != 0) {
    std::size_t place = old.empty() ? position : text.find(old, position);
    if (place == std::string::npos) break;
    runtime.budget.charge(fresh.size());
    replaced += text.substr(position, place - position) + fresh;
    position = place + old.size();
    if (!old.empty()) continue;
    // Nothing is found before each character and at the end.
    if (position >= text.size()) return replaced;
    unicode::next(text, place);
    replaced += text.substr(position, place - position);
    position = place;
  }
  return replaced + text.substr(position);
}

}  // namespace troupe::jinja
