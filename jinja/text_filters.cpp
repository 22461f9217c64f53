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
  return map_text(runtime.budget, soft_text(runtime, value), kMap);
}

bool begins_word(char32_t c) {
  constexpr std::u32string_view kBreaks = U"-({[<";
  return unicode::is_space(c) || kBreaks.find(c) != std::u32string_view::npos;
}

// Words begin behind white space and the brackets above, as jinja2 has it.
std::string title_words(std::string_view text) {
  std::string made;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t second = begin;
    const bool is_break = begins_word(unicode::next(text, second));
    std::size_t end = second;
    for (std::size_t after = end; after < text.size(); end = after) {
      if (begins_word(unicode::next(text, after)) != is_break) break;
    }
    made += unicode::upper(text.substr(begin, second - begin));
    made += unicode::lower(text.substr(second, end - second));
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
  return make_text(
      runtime.budget,
      replace_text(
          runtime.budget, text(value), text(parameters.at(0)), text(parameters.at(1)), count));
}

Value join(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("join", arguments, {"d", "attribute"});
  const std::string between =
      parameters.has(0) ? to_text(runtime.budget, parameters.at(0)) : std::string();
  const AttributePath path(runtime.budget, parameters.value_or(1, Value()));
  TextBuilder joined(runtime.budget);
  bool is_first = true;
  for (const Value& item : ItemView(runtime.budget, value)) {
    runtime.budget.charge_work(between.size());
    if (!is_first) joined += between;
    is_first = false;
    append_text(joined, path.follow(runtime, item));
  }
  return make_text(runtime.budget, joined.take());
}

Value indent(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("indent", arguments, {"width", "first", "blank"});
  if (!value.is_text()) throw RenderError("indent needs a string, not " + value.type_name());
  std::string indention;
  if (parameters.has(0) && parameters.at(0).is_text()) {
    runtime.budget.charge(parameters.text_or(0, "").size());
    indention = parameters.text_or(0, "");
  } else {
    const std::int64_t width = std::max<std::int64_t>(0, parameters.integer_or(0, 4));
    runtime.budget.charge(static_cast<std::uint64_t>(width));
    indention.assign(static_cast<std::size_t>(width), ' ');
  }
  const bool blank = parameters.truth_or(2, false);
  runtime.budget.charge(value.as_text()->bytes.size());
  const std::string whole = value.as_text()->bytes + "\n";
  const auto lines = split_lines(runtime.budget, whole, false);
  TextBuilder text(runtime.budget);
  if (parameters.truth_or(1, false)) text += indention;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool indents = i > 0 && (blank || !lines[i].empty());
    runtime.budget.charge_work(lines[i].size() + indention.size());
    if (i > 0) text += '\n';
    if (indents) text += indention;
    text += lines[i];
  }
  return make_text(runtime.budget, text.take(), value.as_text()->is_markup);
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
    style.indent = parameters.at(1).is_text() ? std::string(parameters.text_or(1, ""))
                                              : std::string(static_cast<std::size_t>(width), ' ');
  }
  if (parameters.is_given(2)) {
    const ItemView separators(runtime.budget, parameters.at(2));
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
  TextBuilder text(runtime.budget);
  append_html(text, to_text(runtime.budget, value));
  return make_text(runtime.budget, text.take(), true);
}

Value format(Runtime& runtime, const Value& value, Arguments& arguments) {
  if (!arguments.named.empty() && !arguments.positional.empty()) {
    throw RenderError("can't handle positional and keyword arguments at the same time");
  }
  Value values = make_tuple(runtime.budget, arguments.positional);
  if (!arguments.named.empty()) {
    Dict dict;
    for (const auto& [name, argument] : arguments.named) {
      dict.set(runtime.budget, copy_text(runtime.budget, name), argument);
    }
    values = make_dict(runtime.budget, std::move(dict));
  }
  return format_percent(runtime.budget, soft_text(runtime, value), values);
}

Value truncate(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("truncate", arguments, {"length", "killwords", "end", "leeway"});
  const std::string_view end = parameters.text_or(2, "...");
  const std::int64_t size = parameters.integer_or(0, 255);
  const std::int64_t leeway = parameters.is_given(3) ? parameters.integer_or(3, 5) : 5;
  const auto end_size = static_cast<std::int64_t>(unicode::count(end));
  if (size < end_size || leeway < 0) throw RenderError("truncate: the length is too short");
  if (static_cast<std::int64_t>(length(value)) - size <= leeway) return value;
  if (!value.is_text()) throw RenderError("truncate needs a string");
  const Value cut = slice(runtime.budget, value, Value(), size - end_size, Value());
  const std::string_view kept = cut.as_text()->bytes;
  TextBuilder text(runtime.budget);
  text += parameters.truth_or(1, false) ? kept : split_at(runtime.budget, kept, " ", 1, true)[0];
  text += end;
  return make_text(runtime.budget, text.take());
}

Value center(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("center", arguments, {"width"});
  const Value width = parameters.integer_or(0, 80);
  return runtime.call(runtime.attribute(soft_text(runtime, value), "center"), {{width}, {}});
}

Value wordcount(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("wordcount", arguments, {});
  const std::string text = to_text(runtime.budget, value);
  runtime.budget.charge_work(16 * text.size());
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t position = 0; position < text.size();) {
    const char32_t c = unicode::next(text, position);
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
