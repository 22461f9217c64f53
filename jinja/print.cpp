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

void append_escape(char32_t character, std::string& text) {
  char escape[16];
  const auto code = static_cast<unsigned>(character);
  const char* form = code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x";
  std::snprintf(escape, sizeof escape, form, code);
  text += escape;
}

std::string quoted(const std::string& bytes) {
  const bool doubles =
      bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos;
  const char32_t quote = doubles ? '"' : '\'';
  std::string text;
  unicode::append(quote, text);
  for (std::size_t position = 0; position < bytes.size();) {
    const char32_t character = unicode::next(bytes, position);
    if (character == quote || character == '\\') {
      text += '\\';
      unicode::append(character, text);
    } else if (character == '\n') {
      text += "\\n";
    } else if (character == '\r') {
      text += "\\r";
    } else if (character == '\t') {
      text += "\\t";
    } else if (!unicode::is_printable(character)) {
      append_escape(character, text);
    } else {
      unicode::append(character, text);
    }
  }
  unicode::append(quote, text);
  return text;
}

std::string joined(Budget& budget, const Items& items) {
  std::string text;
  for (const Value& item : items) {
    if (!text.empty()) text += ", ";
    text += repr(budget, item);
  }
  return text;
}

std::string sequence_text(Budget& budget, const Sequence& sequence) {
  switch (sequence.kind) {
    case SequenceKind::kList:
      return "[" + joined(budget, sequence.items) + "]";
    case SequenceKind::kTuple:
      return "(" + joined(budget, sequence.items) + (sequence.items.size() == 1 ? ",)" : ")");
    case SequenceKind::kRange:
      return sequence.label;
    case SequenceKind::kView:
      return sequence.label + "([" + joined(budget, sequence.items) + "])";
    case SequenceKind::kGenerator:
      break;
  }
  return "<generator object>";
}

std::string dict_text(Budget& budget, const Dict& dict) {
  std::string text = "{";
  for (const auto& [key, value] : dict.items) {
    if (text.size() > 1) text += ", ";
    text += repr(budget, key) + ": " + repr(budget, value);
  }
  return text + "}";
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
  if (const Text* text = value.as_text()) {
    budget.charge(text->bytes.size());
    return text->bytes;
  }
  return value.is_undefined() ? std::string() : repr(budget, value);
}

std::string repr(Budget& budget, const Value& value) {
  budget.step();
  if (value.is_none()) return "None";
  if (value.is_bool()) return value.integer() != 0 ? "True" : "False";
  if (value.is_integer()) return std::to_string(value.integer());
  if (value.is_float()) return float_text(value.number());
  std::string text = "Undefined";
  if (const Text* own = value.as_text()) {
    text = own->is_markup ? "Markup(" + quoted(own->bytes) + ")" : quoted(own->bytes);
  } else if (const Sequence* sequence = value.as_sequence()) {
    text = sequence_text(budget, *sequence);
  } else if (const Dict* dict = value.as_dict()) {
    text = dict_text(budget, *dict);
  } else if (const Object* object = value.as_object()) {
    text = "<" + object->type_name() + ">";
  }
  budget.charge(text.size());
  return text;
}

Value make_text(Budget& budget, std::string bytes, bool is_markup) {
  budget.charge(bytes.size() + sizeof(Text));
  return Value::text(std::move(bytes), is_markup);
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char character : text) {
    switch (character) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      case '"':
        escaped += "&#34;";
        break;
      default:
        escaped += character;
    }
  }
  return escaped;
}

Value to_markup(Budget& budget, const Value& value) {
  if (value.is_text() && value.as_text()->is_markup) return value;
  return make_text(budget, escape_html(to_text(budget, value)), true);
}

}  // namespace troupe::jinja
