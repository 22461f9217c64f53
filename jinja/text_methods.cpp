// Methods of strings that find, cut and join.
#include <algorithm>

#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/format.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"
#include "jinja/text_operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

const Text& text_of(const Value& value) { return *value.as_text(); }

Value made(Runtime& runtime, const Value& self, std::string bytes) {
  return make_text(runtime.budget, std::move(bytes), text_of(self).is_markup);
}

template <bool kLeft, bool kRight>
Value strip(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("strip", arguments, {"chars"});
  return strip_text(runtime, self, parameters.value_or(0, Value()), kLeft, kRight);
}

Items as_values(Runtime& runtime, const Value& self, const std::vector<std::string>& parts) {
  Items items;
  for (const std::string& part : parts) items.push_back(made(runtime, self, part));
  return items;
}

template <bool kFromRight>
Value split(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("split", arguments, {"sep", "maxsplit"});
  const std::string& text = text_of(self).bytes;
  const std::int64_t count = parameters.integer_or(1, -1);
  runtime.budget.charge(text.size());
  if (!parameters.is_given(0)) {
    return Value::list(as_values(runtime, self, split_at_space(text, count, kFromRight)));
  }
  const std::string separator = parameters.text_or(0, "");
  if (separator.empty()) throw RenderError("empty separator");
  return Value::list(as_values(runtime, self, split_at(text, separator, count, kFromRight)));
}

Value splitlines(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("splitlines", arguments, {"keepends"});
  return Value::list(as_values(
      runtime, self, unicode::split_lines(text_of(self).bytes, parameters.truth_or(0, false))));
}

template <bool kFromRight>
Value partition(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("partition", arguments, {"sep"}, 1);
  const std::string separator = parameters.text_or(0, "");
  if (separator.empty()) throw RenderError("empty separator");
  const std::string& text = text_of(self).bytes;
  const std::size_t place = kFromRight ? text.rfind(separator) : text.find(separator);
  const auto part = [&](std::string bytes) { return made(runtime, self, std::move(bytes)); };
  if (place == std::string::npos) {
    return kFromRight ? Value::tuple({part(""), part(""), self})
                      : Value::tuple({self, part(""), part("")});
  }
  return Value::tuple(
      {part(text.substr(0, place)), part(separator), part(text.substr(place + separator.size()))});
}

// The characters begin … end that the parameters 1 and 2 leave.
std::string window(Runtime& runtime, const Value& self, const Parameters& parameters) {
  if (!parameters.is_given(1) && !parameters.is_given(2)) return text_of(self).bytes;
  return slice(runtime.budget,
               self,
               parameters.value_or(1, Value()),
               parameters.value_or(2, Value()),
               Value())
      .as_text()
      ->bytes;
}

template <bool kEnd>
Value starts_or_ends(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters(
      kEnd ? "endswith" : "startswith", arguments, {"prefix", "start", "end"}, 1);
  const std::string text = window(runtime, self, parameters);
  const auto fits = [&](const Value& one) {
    if (!one.is_text()) {
      throw RenderError("startswith/endswith first arg must be str or a tuple of str, not " +
                        one.type_name());
    }
    return kEnd ? text.ends_with(one.as_text()->bytes) : text.starts_with(one.as_text()->bytes);
  };
  const Sequence* several = parameters.at(0).as_sequence(SequenceKind::kTuple);
  return several == nullptr ? fits(parameters.at(0)) : std::ranges::any_of(several->items, fits);
}

template <bool kFromRight, bool kMustFind>
Value find(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("find", arguments, {"sub", "start", "end"}, 1);
  const std::string wanted = parameters.text_or(0, "");
  runtime.budget.charge(text_of(self).bytes.size());
  const std::string text = window(runtime, self, parameters);
  const std::size_t place = kFromRight ? text.rfind(wanted) : text.find(wanted);
  if (place == std::string::npos) {
    if (kMustFind) throw RenderError("substring not found");
    return std::int64_t{-1};
  }
  std::int64_t start = parameters.is_given(1) ? parameters.integer_or(1, 0) : 0;
  const auto size = static_cast<std::int64_t>(text_of(self).length);
  if (start < 0) start = std::max<std::int64_t>(0, start + size);
  return start + static_cast<std::int64_t>(unicode::count(text.substr(0, place)));
}

Value count(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("count", arguments, {"sub", "start", "end"}, 1);
  const std::string wanted = parameters.text_or(0, "");
  const std::string text = window(runtime, self, parameters);
  runtime.budget.charge(text.size());
  if (wanted.empty()) return Value::size(unicode::count(text) + 1);
  std::int64_t found = 0;
  for (std::size_t at = text.find(wanted); at != std::string::npos;
       at = text.find(wanted, at + wanted.size())) {
    ++found;
  }
  return found;
}

Value replace(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("replace", arguments, {"old", "new", "count"}, 2);
  const auto part = [&](std::size_t i) {
    const std::string text = parameters.text_or(i, "");
    const bool escapes =
        text_of(self).is_markup && i == 1 && !parameters.at(i).as_text()->is_markup;
    return escapes ? escape_html(text) : text;
  };
  const std::string replaced =
      replace_text(runtime, text_of(self).bytes, part(0), part(1), parameters.integer_or(2, -1));
  return made(runtime, self, replaced);
}

Value join(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("join", arguments, {"iterable"}, 1);
  const Items items = iterate(runtime.budget, parameters.at(0));
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_text()) {
      throw RenderError("sequence item " + std::to_string(i) + ": expected str instance, " +
                        items[i].type_name() + " found");
    }
    if (i > 0) text += text_of(self).bytes;
    const std::string& bytes = text_of(items[i]).bytes;
    runtime.budget.charge(bytes.size() + text_of(self).bytes.size());
    text += text_of(self).is_markup && !text_of(items[i]).is_markup ? escape_html(bytes) : bytes;
  }
  return made(runtime, self, std::move(text));
}

template <bool kEnd>
Value remove_affix(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("removeprefix", arguments, {"prefix"}, 1);
  const std::string affix = parameters.text_or(0, "");
  const std::string& text = text_of(self).bytes;
  if (!kEnd && text.starts_with(affix)) return made(runtime, self, text.substr(affix.size()));
  if (kEnd && text.ends_with(affix)) {
    return made(runtime, self, text.substr(0, text.size() - affix.size()));
  }
  return self;
}

Value format(Runtime& runtime, const Value& self, Arguments& arguments) {
  return format_fields(runtime, self, arguments);
}

}  // namespace

Method find_text_method(std::string_view name) {
  static constexpr Named<Method> kMethods[] = {{"strip", strip<true, true>},
                                               {"lstrip", strip<true, false>},
                                               {"rstrip", strip<false, true>},
                                               {"split", split<false>},
                                               {"rsplit", split<true>},
                                               {"splitlines", splitlines},
                                               {"partition", partition<false>},
                                               {"rpartition", partition<true>},
                                               {"startswith", starts_or_ends<false>},
                                               {"endswith", starts_or_ends<true>},
                                               {"find", find<false, false>},
                                               {"rfind", find<true, false>},
                                               {"index", find<false, true>},
                                               {"rindex", find<true, true>},
                                               {"count", count},
                                               {"replace", replace},
                                               {"join", join},
                                               {"removeprefix", remove_affix<false>},
                                               {"removesuffix", remove_affix<true>},
                                               {"format", format}};
  return find_named(kMethods, name);
}

}  // namespace troupe::jinja
