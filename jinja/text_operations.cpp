#include "jinja/text_operations.hpp"

#include <algorithm>

#include "jinja/error.hpp"
#include "jinja/find_text.hpp"
#include "jinja/operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

// Parts of a text; the room that the list of them takes is charged part by part.
class Parts {
 public:
  explicit Parts(Budget& budget) : budget_(budget) {}

  void add(std::string_view part) {
    budget_.charge(2 * sizeof part);
    parts_.push_back(part);
  }

  std::vector<std::string_view> take(bool reversed) {
    if (reversed) std::ranges::reverse(parts_);
    return std::move(parts_);
  }

 private:
  Budget& budget_;
  std::vector<std::string_view> parts_;
};

}  // namespace

Value strip_text(
    Runtime& runtime, const Value& text, const Value& characters, bool left, bool right) {
  std::string_view kept = text.as_text()->bytes;
  runtime.budget.charge_work(kept.size());
  if (characters.is_none()) {
    if (left) kept = unicode::strip_left(kept);
    if (right) kept = unicode::strip_right(kept);
  } else {
    if (!characters.is_text()) throw RenderError("strip arg must be None or str");
    runtime.budget.charge(characters.as_text()->bytes.size() * sizeof(char32_t));
    const std::u32string set = unicode::decode(characters.as_text()->bytes);
    // Each character may be compared with each of the set, sixteen or so at once.
    runtime.budget.charge_work(kept.size() * (1 + set.size() / 16));
    if (left) kept = unicode::strip_left(kept, set);
    if (right) kept = unicode::strip_right(kept, set);
  }
  return copy_text(runtime.budget, kept, text.as_text()->is_markup);
}

Value map_text(Budget& budget, const Value& text, std::string (*map)(std::string_view)) {
  const Text& from = *text.as_text();
  // Its characters, and a result that may be three times as long and doubles as it grows.
  const bool is_ascii = from.length == from.bytes.size();
  budget.charge(from.length * sizeof(char32_t) + from.bytes.size() * (is_ascii ? 1 : 5));
  return make_text(budget, map(from.bytes), from.is_markup);
}

std::vector<std::string_view> split_at_space(Budget& budget,
                                             std::string_view text,
                                             std::int64_t count,
                                             bool from_right) {
  Parts parts(budget);
  budget.charge_work(4 * text.size());
  text = from_right ? unicode::strip_right(text) : unicode::strip_left(text);
  while (!text.empty() && count-- != 0) {
    // The word next to this end.
    std::size_t end = text.size();
    if (from_right) {
      const std::size_t begin = unicode::strip_right_word(text).size();
      parts.add(text.substr(begin));
      text = unicode::strip_right(text.substr(0, begin));
    } else {
      for (std::size_t position = 0; position < text.size();) {
        const std::size_t here = position;
        if (!unicode::is_space(unicode::next(text, position))) continue;
        end = here;
        break;
      }
      parts.add(text.substr(0, end));
      text = unicode::strip_left(text.substr(end));
    }
  }
  if (!text.empty()) {
    parts.add(from_right ? unicode::strip_left(text) : unicode::strip_right(text));
  }
  return parts.take(from_right);
}

std::vector<std::string_view> split_at(Budget& budget,
                                       std::string_view text,
                                       std::string_view separator,
                                       std::int64_t count,
                                       bool from_right) {
  Parts parts(budget);
  while (count-- != 0) {
    const std::size_t place =
        from_right ? find_last_text(budget, text, separator) : find_text(budget, text, separator);
    if (place == std::string_view::npos) break;
    if (from_right) {
      parts.add(text.substr(place + separator.size()));
      text = text.substr(0, place);
    } else {
      parts.add(text.substr(0, place));
      text = text.substr(place + separator.size());
    }
  }
  parts.add(text);
  return parts.take(from_right);
}

std::vector<std::string_view> split_lines(Budget& budget, std::string_view text, bool keep_ends) {
  Parts lines(budget);
  budget.charge_work(4 * text.size());
  std::size_t begin = 0;
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t end = position;
    const char32_t character = unicode::next(text, position);
    if (!unicode::is_line_end(character)) continue;
    if (character == '\r' && position < text.size() && text[position] == '\n') ++position;
    lines.add(text.substr(begin, (keep_ends ? position : end) - begin));
    begin = position;
  }
  if (begin < text.size()) lines.add(text.substr(begin));
  return lines.take(false);
}

std::string replace_text(Budget& budget,
                         std::string_view text,
                         std::string_view old,
                         std::string_view fresh,
                         std::int64_t count) {
  TextBuilder replaced(budget);
  budget.charge_work(text.size());
  std::size_t position = 0;
  while (count-- != 0) {
    budget.step();
    std::size_t place = old.empty() ? position : find_text(budget, text, old, position);
    if (place == std::string_view::npos) break;
    budget.charge_work(fresh.size());
    replaced += text.substr(position, place - position);
    replaced += fresh;
    position = place + old.size();
    if (!old.empty()) continue;
    // Nothing is found before each character and at the end.
    if (position >= text.size()) return replaced.take();
    unicode::next(text, place);
    replaced += text.substr(position, place - position);
    position = place;
  }
  replaced += text.substr(position);
  return replaced.take();
}

}  // namespace troupe::jinja
