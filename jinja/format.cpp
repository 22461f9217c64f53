#include "jinja/format.hpp"

#include <algorithm>
#include <cmath>

#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/runtime.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

// What looking at one named argument counts as, in bytes read.
constexpr std::size_t kWorkAName = 8;

// Reads `format` of the operator %.
class PercentFormat {
 public:
  PercentFormat(Budget& budget, std::string_view format, const Value& values)
      : budget_(budget), rest_(format), values_(values) {
    const Sequence* tuple = values.as_sequence(SequenceKind::kTuple);
    if (tuple != nullptr) budget.charge(tuple->items.size() * sizeof(Value));
    several_ = tuple == nullptr ? Items{values} : tuple->items;
  }

  std::string run() {
    TextBuilder text(budget_);
    while (!rest_.empty()) {
      const std::size_t percent = std::min(rest_.find('%'), rest_.size());
      budget_.charge_work(percent);
      text += rest_.substr(0, percent);
      rest_.remove_prefix(percent);
      if (!rest_.empty()) text += conversion();
      budget_.step();
    }
    const bool is_tuple = values_.as_sequence(SequenceKind::kTuple) != nullptr;
    const bool may_be_left =
        !is_tuple && (values_.as_dict() != nullptr || values_.as_sequence() != nullptr);
    if (used_ < several_.size() && !may_be_left) {
      throw RenderError("not all arguments converted during string formatting");
    }
    return text.take();
  }

 private:
  char take() {
    if (rest_.empty()) throw RenderError("incomplete format");
    const char first = rest_[0];
    rest_.remove_prefix(1);
    return first;
  }

  std::string conversion() {
    take();  // the percent sign
    std::optional<Value> named;
    if (rest_.starts_with("(")) named = named_value();
    FormatSpec spec;
    read_flags(spec);
    const char type = take();
    if (type == '%') return "%";
    return convert(named ? *named : next_value(), type, spec);
  }

  Value named_value() {
    const std::size_t end = rest_.find(')');
    if (end == std::string_view::npos) throw RenderError("incomplete format key");
    const std::string_view key = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    if (values_.as_dict() == nullptr) throw RenderError("format requires a mapping");
    const Value* found = values_.as_dict()->find(budget_, key);
    if (found == nullptr) throw RenderError("format finds no key '" + shortened(key) + "'");
    return *found;
  }

  Value next_value() {
    if (used_ >= several_.size()) throw RenderError("not enough arguments for format string");
    return several_[used_++];
  }

  void read_flags(FormatSpec& spec) {
    std::string text;
    bool left = false;
    bool zero = false;
    for (; !rest_.empty() && std::string_view("-+ #0").find(rest_[0]) != std::string_view::npos;
         rest_.remove_prefix(1)) {
      left = left || rest_[0] == '-';
      zero = zero || rest_[0] == '0';
      if (rest_[0] == '+' || (rest_[0] == ' ' && spec.sign != '+')) spec.sign = rest_[0];
      if (rest_[0] == '#') spec.is_alternate = true;
    }
    while (!rest_.empty() &&
           (std::isdigit(static_cast<unsigned char>(rest_[0])) != 0 || rest_[0] == '.')) {
      text += take();
    }
    if (rest_.starts_with("*")) throw RenderError("a format's width must be written as a number");
    const FormatSpec read = parse_format_spec("<" + text);
    spec.width = read.width;
    spec.precision = read.precision;
    spec.align = left ? '<' : '>';
    if (zero && !left) {
      spec.fill = '0';
      spec.align = '=';
    }
  }

  std::string convert(const Value& value, char type, FormatSpec spec) {
    const auto as_text = [&](const std::string& text) {
      spec.type = 's';
      spec.fill = ' ';
      if (spec.align == '=') spec.align = '>';
      return format_value(budget_, make_text(budget_, text), spec);
    };
    if (type == 's') return as_text(to_text(budget_, value));
    if (type == 'r' || type == 'a') return as_text(repr(budget_, value));
    if (type == 'c') {
      if (value.is_text() && value.as_text()->length == 1) return as_text(value.as_text()->bytes);
      if (!value.is_integer()) throw RenderError("%c requires int or char");
      const std::int64_t code = value.integer();
      if (code < 0 || code > 0x10FFFF) throw RenderError("%c arg not in range(0x110000)");
      if (code >= 0xD800 && code < 0xE000) throw RenderError("%c: a surrogate is no character");
      return as_text(unicode::encode(std::u32string(1, static_cast<char32_t>(code))));
    }
    if (std::string_view("diuxXoeEfFgG").find(type) == std::string_view::npos) {
      throw RenderError(std::string("unsupported format character '") + type + "'");
    }
    if (!value.is_number()) {
      throw RenderError(std::string("%") + type + " format: a real number is required, not " +
                        value.type_name());
    }
    spec.type = type == 'i' || type == 'u' ? 'd' : type;
    if (spec.type != 'd') return format_value(budget_, value, spec);
    const double number = value.number();
    if (value.is_integer()) return format_value(budget_, value.integer(), spec);
    if (!(std::abs(number) < 9e18)) throw RenderError("cannot convert float to a 64-bit integer");
    return format_value(budget_, static_cast<std::int64_t>(number), spec);
  }

  Budget& budget_;
  std::string_view rest_;
  const Value& values_;
  Items several_;
  std::size_t used_ = 0;
};

// Reads a format of str.format().
class FieldFormat {
 public:
  FieldFormat(Runtime& runtime, const Arguments& arguments)
      : runtime_(runtime), arguments_(arguments) {}

  std::string run(std::string_view format) {
    TextBuilder text(runtime_.budget);
    while (!format.empty()) {
      const char first = format[0];
      const bool doubled = format.size() > 1 && format[1] == first;
      runtime_.budget.step();
      if ((first == '{' || first == '}') && doubled) {
        text += first;
        format.remove_prefix(2);
      } else if (first == '}') {
        throw RenderError("Single '}' encountered in format string");
      } else if (first == '{') {
        const std::size_t end = format.find('}');
        runtime_.budget.charge_work(std::min(end, format.size()));
        if (end == std::string_view::npos) throw RenderError("expected '}' before end of string");
        text += field(format.substr(1, end - 1));
        format.remove_prefix(end + 1);
      } else {
        text += first;
        format.remove_prefix(1);
      }
    }
    return text.take();
  }

 private:
  std::string field(std::string_view whole) {
    const std::size_t colon = std::min(whole.find(':'), whole.size());
    std::string_view name = whole.substr(0, colon);
    const std::string_view spec = colon < whole.size() ? whole.substr(colon + 1) : "";
    char conversion = 0;
    const std::size_t bang = name.find('!');
    if (bang != std::string_view::npos) {
      if (bang + 2 != name.size()) throw RenderError("expected ':' after conversion specifier");
      conversion = name[bang + 1];
      name = name.substr(0, bang);
    }
    Value value = resolve(name);
    if (conversion == 'r' || conversion == 'a') {
      value = make_text(runtime_.budget, repr(runtime_.budget, value));
    }
    if (conversion == 's') value = make_text(runtime_.budget, to_text(runtime_.budget, value));
    if (spec.find('{') != std::string_view::npos) {
      throw RenderError("a field within a field's format is not supported");
    }
    // object.__format__ takes no specification.
    const bool plain = value.is_text() || value.is_number();
    if (!plain && !spec.empty()) {
      throw RenderError("unsupported format string passed to " + value.type_name() + ".__format__");
    }
    return format_value(runtime_.budget, value, parse_format_spec(spec));
  }

  Value resolve(std::string_view name) {
    const std::size_t end = std::min(name.find_first_of(".["), name.size());
    Value value = first(name.substr(0, end));
    name.remove_prefix(end);
    while (!name.empty()) {
      if (name[0] == '.') {
        const std::size_t stop = std::min(name.find_first_of(".[", 1), name.size());
        value = runtime_.attribute(value, name.substr(1, stop - 1));
        name.remove_prefix(stop);
      } else {
        const std::size_t stop = name.find(']');
        if (name[0] != '[' || stop == std::string_view::npos) throw RenderError("Missing ']'");
        const std::string_view key = name.substr(1, stop - 1);
        const bool number = !key.empty() && key.find_first_not_of("0123456789") == key.npos;
        value =
            runtime_.subscript(value, number ? index_value(key) : copy_text(runtime_.budget, key));
        name.remove_prefix(stop + 1);
      }
    }
    return value;
  }

  static Value index_value(std::string_view digits) {
    if (digits.size() > 9) throw RenderError("Too many decimal digits in format string");
    return static_cast<std::int64_t>(std::stoll(std::string(digits)));
  }

  Value first(std::string_view name) {
    const bool number = name.find_first_not_of("0123456789") == std::string_view::npos;
    if (!number) {
      runtime_.budget.charge_work(arguments_.named.size() * kWorkAName);
      for (const auto& [key, value] : arguments_.named) {
        if (key == name) return value;
      }
      throw RenderError("format finds no argument '" + shortened(name) + "'");
    }
    const auto index =
        name.empty() ? next_++ : static_cast<std::size_t>(index_value(name).integer());
    if (index >= arguments_.positional.size()) {
      throw RenderError("Replacement index " + std::to_string(index) +
                        " out of range for positional args tuple");
    }
    return arguments_.positional[index];
  }

  Runtime& runtime_;
  const Arguments& arguments_;
  std::size_t next_ = 0;
};

}  // namespace

Value format_percent(Budget& budget, const Value& format, const Value& values) {
  const Text& text = *format.as_text();
  return make_text(budget, PercentFormat(budget, text.bytes, values).run(), text.is_markup);
}

Value format_fields(Runtime& runtime, const Value& format, const Arguments& arguments) {
  const Text& text = *format.as_text();
  runtime.budget.charge(text.bytes.size());
  return make_text(runtime.budget, FieldFormat(runtime, arguments).run(text.bytes), text.is_markup);
}

}  // namespace troupe::jinja
