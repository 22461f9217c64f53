#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "jinja/error.hpp"
#include "jinja/object.hpp"
#include "jinja/operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

// Python writes numbers from here on, and below 1e-4, with an exponent.
constexpr int kExponentMax = 16;
constexpr int kExponentMin = -4;

void append_escape(char32_t character, TextBuilder& out) {
  char escape[16];
  const auto code = static_cast<unsigned>(character);
  const char* form = code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x";
  std::snprintf(escape, sizeof escape, form, code);
  out += escape;
}

void append_quoted(TextBuilder& out, std::string_view bytes) {
  const bool doubles =
      bytes.find('\'') != std::string_view::npos && bytes.find('"') == std::string_view::npos;
  const char32_t quote = doubles ? '"' : '\'';
  out.append(quote);
  for (std::size_t position = 0; position < bytes.size();) {
    const char32_t character = unicode::next(bytes, position);
    if (character == quote || character == '\\') {
      out += '\\';
      out.append(character);
    } else if (character == '\n') {
      out += "\\n";
    } else if (character == '\r') {
      out += "\\r";
    } else if (character == '\t') {
      out += "\\t";
    } else if (!unicode::is_printable(character)) {
      append_escape(character, out);
    } else {
      out.append(character);
    }
  }
  out.append(quote);
}

void append_items(TextBuilder& out, const Items& items) {
  bool is_first = true;
  for (const Value& item : items) {
    if (!is_first) out += ", ";
    is_first = false;
    append_repr(out, item);
  }
}

void append_sequence(TextBuilder& out, const Sequence& sequence) {
  switch (sequence.kind) {
    case SequenceKind::kList:
      out += '[';
      append_items(out, sequence.items);
      out += ']';
      return;
    case SequenceKind::kTuple:
      out += '(';
      append_items(out, sequence.items);
      out += sequence.items.size() == 1 ? ",)" : ")";
      return;
    case SequenceKind::kRange:
      out += sequence.label;
      return;
    case SequenceKind::kView:
      out += sequence.label;
      out += "([";
      append_items(out, sequence.items);
      out += "])";
      return;
    case SequenceKind::kGenerator:
      out += "<generator object>";
  }
}

void append_dict(TextBuilder& out, const Dict& dict) {
  out += '{';
  bool is_first = true;
  for (const auto& [key, value] : dict.items) {
    if (!is_first) out += ", ";
    is_first = false;
    append_repr(out, key);
    out += ": ";
    append_repr(out, value);
  }
  out += '}';
}

std::string scalar_text(const Value& value) {
  if (value.is_none()) return "None";
  if (value.is_bool()) return value.integer() != 0 ? "True" : "False";
  if (value.is_integer()) return std::to_string(value.integer());
  if (value.is_float()) return float_text(value.number());
  const Object* object = value.as_object();
  return object == nullptr ? "Undefined" : "<" + object->type_name() + ">";
}

}  // namespace

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char digits[32];
  const auto end =
      std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific).ptr;
  const std::string scientific(digits, end);
  const std::size_t e = scientific.find('e');
  const int exponent = std::stoi(scientific.substr(e + 1));
  if (exponent < kExponentMin || exponent >= kExponentMax) return scientific;
  const auto plain =
      std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed).ptr;
  std::string text(digits, plain);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

std::string to_text(Budget& budget, const Value& value) {
  TextBuilder out(budget);
  append_text(out, value);
  return out.take();
}

std::string repr(Budget& budget, const Value& value) {
  TextBuilder out(budget);
  append_repr(out, value);
  return out.take();
}

void append_text(TextBuilder& out, const Value& value) {
  if (value.is_undefined()) return;
  if (const Text* text = value.as_text()) {
    out.budget().charge_work(text->bytes.size());
    out += text->bytes;
  } else {
    append_repr(out, value);
  }
}

void append_repr(TextBuilder& out, const Value& value) {
  out.budget().step();
  if (const Text* text = value.as_text()) {
    out.budget().charge_work(4 * text->bytes.size());
    if (text->is_markup) out += "Markup(";
    append_quoted(out, text->bytes);
    if (text->is_markup) out += ')';
  } else if (const Sequence* sequence = value.as_sequence()) {
    append_sequence(out, *sequence);
  } else if (const Dict* dict = value.as_dict()) {
    append_dict(out, *dict);
  } else {
    out += scalar_text(value);
  }
}

void append_html(TextBuilder& out, std::string_view text) {
  out.budget().charge_work(text.size());
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find_first_of("&<>'\""), text.size());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) return;
    const char special = text[0];
    out += special == '&'    ? "&amp;"
           : special == '<'  ? "&lt;"
           : special == '>'  ? "&gt;"
           : special == '\'' ? "&#39;"
                             : "&#34;";
    text.remove_prefix(1);
  }
}

Value to_markup(Budget& budget, const Value& value) {
  if (value.is_text() && value.as_text()->is_markup) return value;
  TextBuilder out(budget);
  if (const Text* text = value.as_text()) {
    append_html(out, text->bytes);
  } else {
    append_html(out, to_text(budget, value));
  }
  return make_text(budget, out.take(), true);
}

}  // namespace troupe::jinja
