// Filters that make text.
#include <algorithm>

#include "jinja/attribute_path.hpp"
#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/format.hpp"
#include "jinja/json.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"
#include "jinja/text_operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

// Text as it is, anything else printed.
Value soft_text(Runtime& runtime, const Value& value) {
  return value.is_text() ? value : make_text(runtime.budget, to_text(runtime.budget, value));
}

Value string(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("string", arguments, {});
  return soft_text(runtime, value);
}

template <std::string (*kMap)(std::string_view)>
Value mapped(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("this filter", arguments, {});
  const Value text = soft_text(runtime, value);
  runtime.budget.charge(text.as_text()->bytes.size() * sizeof(char32_t));
  return make_text(runtime.budget, kMap(text.as_text()->bytes), text.as_text()->is_markup);
}

bool begins_word(char32_t c) {
  constexpr std::u32string_view kBreaks = U"-({[<";
  return unicode::is_space(c) || kBreaks.find(c) != std::u32string_view::npos;
}

// Words begin behind white space and the brackets above, as jinja2 has it.
std::string title_words(std::string_view text) {
  const std::u32string all = unicode::decode(text);
  std::string made;
  for (std::size_t begin = 0; begin < all.size();) {
    std::size_t end = begin + 1;
    while (end < all.size() && begins_word(all[end]) == begins_word(all[begin])) ++end;
    const std::u32string word = all.substr(begin, end - begin);
    made += unicode::upper(unicode::encode(word.substr(0, 1)));
    made += unicode::lower(unicode::encode(word.substr(1)));
    begin = end;
  }
  return made;
}

Value trim(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("trim", arguments, {"chars"});
  return strip_text(
      runtime, soft_text(runtime, value), parameters.value_or(0, Value()), true, true);
}

Value replace(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("replace", arguments, {"old", "new", "count"}, 2);
  const auto text = [&](const Value& part) { return to_text(runtime.budget, part); };
  const std::int64_t count = parameters.is_given(2) ? parameters.integer_or(2, -1) : -1;
  const std::string replaced =
      replace_text(runtime, text(value), text(parameters.at(0)), text(parameters.at(1)), count);
  return make_text(runtime.budget, replaced);
}

Value join(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("join", arguments, {"d", "attribute"});
  const std::string between =
      parameters.has(0) ? to_text(runtime.budget, parameters.at(0)) : std::string();
  std::string joined;
  bool is_first = true;
  for (const Value& item : iterate(runtime.budget, value)) {
    if (!is_first) joined += between;
    is_first = false;
    runtime.budget.charge(between.size());
    joined += to_text(runtime.budget, follow(runtime, item, parameters.value_or(1, Value())));
  }
  return make_text(runtime.budget, std::move(joined));
}

Value indent(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("indent", arguments, {"width", "first", "blank"});
  if (!value.is_text()) throw RenderError("indent needs a string, not " + value.type_name());
  std::string indention;
  if (parameters.has(0) && parameters.at(0).is_text()) {
    indention = parameters.text_or(0, "");
  } else {
    const std::int64_t width = std::max<std::int64_t>(0, parameters.integer_or(0, 4));
    runtime.budget.charge(static_cast<std::uint64_t>(width));
    indention.assign(static_cast<std::size_t>(width), ' ');
  }
  const bool blank = parameters.truth_or(2, false);
  const auto lines = unicode::split_lines(value.as_text()->bytes + "\n", false);
  std::string text = parameters.truth_or(1, false) ? indention : "";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool indents = i > 0 && (blank || !lines[i].empty());
    runtime.budget.charge(lines[i].size() + indention.size());
    text += (i > 0 ? "\n" : "") + (indents ? indention : "") + lines[i];
  }
  return make_text(runtime.budget, std::move(text), value.as_text()->is_markup);
}

Value tojson(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters(
      "tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style{.ascii_only = parameters.truth_or(0, false),
                  .sort_keys = parameters.truth_or(3, false)};
  if (parameters.is_given(1)) {
    style.item_separator = ",";
    const std::int64_t width =
        parameters.at(1).is_text() ? 0 : std::max<std::int64_t>(0, parameters.integer_or(1, 0));
    runtime.budget.charge(static_cast<std::uint64_t>(width));
    style.indent = parameters.at(1).is_text() ? parameters.text_or(1, "")
                                              : std::string(static_cast<std::size_t>(width), ' ');
  }
  if (parameters.is_given(2)) {
    const Items separators = iterate(runtime.budget, parameters.at(2));
    if (separators.size() != 2 || !separators[0].is_text() || !separators[1].is_text()) {
      throw RenderError("tojson: separators must be two strings");
    }
    style.item_separator = separators[0].as_text()->bytes;
    style.key_separator = separators[1].as_text()->bytes;
  }
  return make_text(runtime.budget, to_json(runtime.budget, value, style));
}

Value escape(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("escape", arguments, {});
  return to_markup(runtime.budget, value);
}

Value safe(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("safe", arguments, {});
  return make_text(runtime.budget, to_text(runtime.budget, value), true);
}

Value forceescape(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("forceescape", arguments, {});
  return make_text(runtime.budget, escape_html(to_text(runtime.budget, value)), true);
}

Value format(Runtime& runtime, const Value& value, Arguments& arguments) {
  if (!arguments.named.empty() && !arguments.positional.empty()) {
    throw RenderError("can't handle positional and keyword arguments at the same time");
  }
  Value values = Value::tuple(arguments.positional);
  if (!arguments.named.empty()) {
    Dict dict;
    for (const auto& [name, argument] : arguments.named) dict.set(Value::text(name), argument);
    values = Value::dict(std::move(dict));
  }
  return format_percent(runtime.budget, soft_text(runtime, value), values);
}

Value truncate(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("truncate", arguments, {"length", "killwords", "end", "leeway"});
  const std::string end = parameters.text_or(2, "...");
  const std::int64_t size = parameters.integer_or(0, 255);
  const std::int64_t leeway = parameters.is_given(3) ? parameters.integer_or(3, 5) : 5;
  const auto end_size = static_cast<std::int64_t>(unicode::count(end));
  if (size < end_size || leeway < 0) throw RenderError("truncate: the length is too short");
  if (static_cast<std::int64_t>(length(value)) <= size + leeway) return value;
  if (!value.is_text()) throw RenderError("truncate needs a string");
  const Value cut = slice(runtime.budget, value, Value(), size - end_size, Value());
  if (parameters.truth_or(1, false)) return make_text(runtime.budget, cut.as_text()->bytes + end);
  return make_text(runtime.budget, split_at(cut.as_text()->bytes, " ", 1, true)[0] + end);
}

Value center(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("center", arguments, {"width"});
  const Value width = parameters.integer_or(0, 80);
  return runtime.call(runtime.attribute(soft_text(runtime, value), "center"), {{width}, {}});
}

Value wordcount(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("wordcount", arguments, {});
  const std::u32string text = unicode::decode(to_text(runtime.budget, value));
  std::int64_t words = 0;
  bool inside = false;
  for (const char32_t c : text) {
    const bool is_part = unicode::is_alpha(c) || unicode::is_numeric(c) || c == '_';
    words += is_part && !inside ? 1 : 0;
    inside = is_part;
  }
  return words;
}

}  // namespace

Filter find_text_filter(std::string_view name) {
  static constexpr Named<Filter> kFilters[] = {{"string", string},
                                               {"upper", mapped<unicode::upper>},
                                               {"lower", mapped<unicode::lower>},
                                               {"capitalize", mapped<unicode::capitalize>},
                                               {"title", mapped<title_words>},
                                               {"trim", trim},
                                               {"replace", replace},
                                               {"join", join},
                                               {"indent", indent},
                                               {"tojson", tojson},
                                               {"escape", escape},
                                               {"e", escape},
                                               {"safe", safe},
                                               {"forceescape", forceescape},
                                               {"format", format},
                                               {"truncate", truncate},
                                               {"center", center},
                                               {"wordcount", wordcount}};
  return find_named(kFilters, name);
}

}  // namespace troupe::jinja
