#include "jinja/json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

void append_unit(unsigned unit, TextBuilder& out) {
  char escape[8];
  std::snprintf(escape, sizeof escape, "\\u%04x", unit & 0xFFFFU);
  out += escape;
}

// What stands for a character that JSON or Python writes with a letter; 0: none.
char short_escape(char32_t character) {
  constexpr std::string_view kFrom = "\"\\\n\r\t\f\b";
  constexpr std::string_view kTo = "\"\\nrtfb";
  if (character >= 0x80) return 0;
  const std::size_t place = kFrom.find(static_cast<char>(character));
  return place == std::string_view::npos ? '\0' : kTo[place];
}

class JsonWriter {
 public:
  JsonWriter(Budget& budget, const JsonStyle& style) : style_(style), out_(budget) {}

  std::string run(const Value& value) {
    write(value);
    return out_.take();
  }

 private:
  void write(const Value& value) {
    out_.budget().step();
    if (const Text* text = value.as_text()) {
      write_text(text->bytes);
    } else if (const Dict* dict = value.as_dict()) {
      write_dict(*dict);
    } else if (value.as_sequence(SequenceKind::kList) != nullptr ||
               value.as_sequence(SequenceKind::kTuple) != nullptr) {
      write_items(value.as_sequence()->items);
    } else {
      out_ += scalar(value);
    }
  }

  static std::string scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (value.is_bool()) return value.integer() != 0 ? "true" : "false";
    if (value.is_integer()) return std::to_string(value.integer());
    if (!value.is_float()) {
      throw RenderError("Object of type " + value.type_name() + " is not JSON serializable");
    }
    if (std::isnan(value.number())) return "NaN";
    if (std::isinf(value.number())) return value.number() < 0 ? "-Infinity" : "Infinity";
    return float_text(value.number());
  }

  void write_text(std::string_view text) {
    out_.budget().charge_work(4 * text.size());
    out_ += '"';
    for (std::size_t position = 0; position < text.size();) {
      const char32_t character = unicode::next(text, position);
      const char escape = short_escape(character);
      if (escape != 0) {
        out_ += '\\';
        out_ += escape;
      } else if (character < 0x20) {
        append_unit(static_cast<unsigned>(character), out_);
      } else if (style_.ascii_only && character >= 0x7F + 1) {
        write_units(character);
      } else {
        out_.append(character);
      }
    }
    out_ += '"';
  }

  // In UTF-16, as JSON escapes it.
  void write_units(char32_t character) {
    const auto code = static_cast<unsigned>(character);
    if (code < 0x10000) return append_unit(code, out_);
    append_unit(0xD800U + ((code - 0x10000U) >> 10U), out_);
    append_unit(0xDC00U + ((code - 0x10000U) & 0x3FFU), out_);
  }

  void write_items(const Items& items) {
    out_ += '[';
    ++level_;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line();
      write(items[i]);
    }
    close(items.empty(), ']');
  }

  void write_dict(const Dict& dict) {
    std::vector<std::pair<Value, Value>> ordered;
    if (style_.sort_keys) {
      Budget& budget = out_.budget();
      budget.charge(2 * dict.items.size() * sizeof(ordered[0]));
      ordered = dict.items;
      std::ranges::stable_sort(
          ordered, [&](const auto& a, const auto& b) { return is_less(budget, a.first, b.first); });
    }
    const auto& entries = style_.sort_keys ? ordered : dict.items;
    out_ += '{';
    ++level_;
    bool is_first = true;
    for (const auto& [key, value] : entries) {
      if (!is_first) out_ += style_.item_separator;
      is_first = false;
      new_line();
      write_text(key.is_text() ? key.as_text()->bytes : key_text(key));
      out_ += style_.key_separator;
      write(value);
    }
    close(entries.empty(), '}');
  }

  static std::string key_text(const Value& key) {
    if (key.is_none() || key.is_number()) return scalar(key);
    throw RenderError("keys must be str, int, float, bool or None, not " + key.type_name());
  }

  void close(bool is_empty, char bracket) {
    --level_;
    if (!is_empty) new_line();
    out_ += bracket;
  }

  void new_line() {
    if (!style_.indent) return;
    out_ += '\n';
    for (std::size_t i = 0; i < level_; ++i) out_ += *style_.indent;
  }

  const JsonStyle& style_;
  TextBuilder out_;
  std::size_t level_ = 0;
};

}  // namespace

std::string to_json(Budget& budget, const Value& value, const JsonStyle& style) {
  return JsonWriter(budget, style).run(value);
}

}  // namespace troupe::jinja
