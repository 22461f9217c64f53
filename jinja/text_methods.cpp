// Methods of strings that find, cut and join.
#include <algorithm>

#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/find_text.hpp"
#include "jinja/format.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"
#include "jinja/text_operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

const Text& text_of(const Value& value) { return *value.as_text(); }

Value made(Runtime& runtime, const Value& self, std::string_view bytes) {
  return copy_text(runtime.budget, bytes, text_of(self).is_markup);
}

template <bool kLeft, bool kRight>
Value strip(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("strip", arguments, {"chars"});
  return strip_text(runtime, self, parameters.value_or(0, Value()), kLeft, kRight);
}

Value list_of(Runtime& runtime, const Value& self, const std::vector<std::string_view>& parts) {
  Items items;
  for (const std::string_view part : parts) push(runtime.budget, items, made(runtime, self, part));
  return make_list(runtime.budget, std::move(items));
}

template <bool kFromRight>
Value split(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("split", arguments, {"sep", "maxsplit"});
  const std::string& text = text_of(self).bytes;
  const std::int64_t count = parameters.integer_or(1, -1);
  Budget& budget = runtime.budget;
  if (!parameters.is_given(0)) {
    return list_of(runtime, self, split_at_space(budget, text, count, kFromRight));
  }
  const std::string_view separator = parameters.text_or(0, "");
  if (separator.empty()) throw RenderError("empty separator");
  return list_of(runtime, self, split_at(budget, text, separator, count, kFromRight));
}

Value splitlines(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("splitlines", arguments, {"keepends"});
  const bool keep_ends = parameters.truth_or(0, false);
  return list_of(runtime, self, split_lines(runtime.budget, text_of(self).bytes, keep_ends));
}

template <bool kFromRight>
Value partition(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("partition", arguments, {"sep"}, 1);
  const std::string_view separator = parameters.text_or(0, "");
  if (separator.empty()) throw RenderError("empty separator");
  const std::string_view text = text_of(self).bytes;
  Budget& budget = runtime.budget;
  const std::size_t place =
      kFromRight ? find_last_text(budget, text, separator) : find_text(budget, text, separator);
  const auto part = [&](std::string_view bytes) { return made(runtime, self, bytes); };
  if (place == std::string_view::npos) {
    return kFromRight ? make_tuple(budget, {part(""), part(""), self})
                      : make_tuple(budget, {self, part(""), part("")});
  }
  return make_tuple(
      budget,
      {part(text.substr(0, place)), part(separator), part(text.substr(place + separator.size()))});
}

// The characters begin … end that the parameters 1 and 2 leave.
std::string_view window(Runtime& runtime, const Value& self, const Parameters& parameters) {
  const Value none;
  return window(
      runtime.budget, text_of(self), parameters.value_or(1, none), parameters.value_or(2, none));
}

template <bool kEnd>
Value starts_or_ends(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters(
      kEnd ? "endswith" : "startswith", arguments, {"prefix", "start", "end"}, 1);
  const std::string_view text = window(runtime, self, parameters);
  const auto fits = [&](const Value& one) {
    if (!one.is_text()) {
      throw RenderError("startswith/endswith first arg must be str or a tuple of str, not " +
                        one.type_name());
    }
    const std::string& affix = one.as_text()->bytes;
    runtime.budget.charge_work(std::min(affix.size(), text.size()));
    return kEnd ? text.ends_with(affix) : text.starts_with(affix);
  };
  const Sequence* several = parameters.at(0).as_sequence(SequenceKind::kTuple);
  return several == nullptr ? fits(parameters.at(0)) : std::ranges::any_of(several->items, fits);
}

template <bool kFromRight, bool kMustFind>
Value find(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("find", arguments, {"sub", "start", "end"}, 1);
  const std::string_view wanted = parameters.text_or(0, "");
  const std::string_view text = window(runtime, self, parameters);
  const std::size_t place = kFromRight ? find_last_text(runtime.budget, text, wanted)
                                       : find_text(runtime.budget, text, wanted);
  if (place == std::string_view::npos) {
    if (kMustFind) throw RenderError("substring not found");
    return std::int64_t{-1};
  }
  runtime.budget.charge_work(4 * place);
  std::int64_t start = parameters.is_given(1) ? parameters.integer_or(1, 0) : 0;
  const auto size = static_cast<std::int64_t>(text_of(self).length);
  if (start < 0) start = std::max<std::int64_t>(0, start + size);
  return start + static_cast<std::int64_t>(unicode::count(text.substr(0, place)));
}

Value count(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("count", arguments, {"sub", "start", "end"}, 1);
  const std::string_view wanted = parameters.text_or(0, "");
  const std::string_view text = window(runtime, self, parameters);
  if (wanted.empty()) runtime.budget.charge_work(4 * text.size());
  if (wanted.empty()) return Value::size(unicode::count(text) + 1);
  std::int64_t found = 0;
  for (std::size_t at = 0;; ++found) {
    at = find_text(runtime.budget, text, wanted, at);
    if (at == std::string_view::npos) break;
    at += wanted.size();
  }
  return found;
}

Value replace(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("replace", arguments, {"old", "new", "count"}, 2);
  const std::string_view old = parameters.text_or(0, "");
  std::string_view fresh = parameters.text_or(1, "");
  const bool escapes = text_of(self).is_markup;
  const Value escaped = escapes ? to_markup(runtime.budget, parameters.at(1)) : Value();
  if (escapes) fresh = text_of(escaped).bytes;
  const std::int64_t count = parameters.integer_or(2, -1);
  return make_text(runtime.budget,
                   replace_text(runtime.budget, text_of(self).bytes, old, fresh, count),
                   text_of(self).is_markup);
}

Value join(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("join", arguments, {"iterable"}, 1);
  const ItemView items(runtime.budget, parameters.at(0));
  TextBuilder text(runtime.budget);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_text()) {
      throw RenderError("sequence item " + std::to_string(i) + ": expected str instance, " +
                        items[i].type_name() + " found");
    }
    if (i > 0) text += text_of(self).bytes;
    const std::string& bytes = text_of(items[i]).bytes;
    runtime.budget.charge_work(bytes.size() + text_of(self).bytes.size());
    if (text_of(self).is_markup && !text_of(items[i]).is_markup) {
      append_html(text, bytes);
    } else {
      text += bytes;
    }
  }
  return make_text(runtime.budget, text.take(), text_of(self).is_markup);
}

template <bool kEnd>
Value remove_affix(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("removeprefix", arguments, {"prefix"}, 1);
  const std::string_view affix = parameters.text_or(0, "");
  const std::string_view text = text_of(self).bytes;
  runtime.budget.charge_work(std::min(affix.size(), text.size()));
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
