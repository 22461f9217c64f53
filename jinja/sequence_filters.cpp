// Filters that order, cut and take from sequences.
#include <algorithm>

#include "jinja/attribute_path.hpp"
#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"
#include "jinja/text_operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

Value list(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("list", arguments, {});
  return Value::list(iterate(runtime.budget, value));
}

Value first(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("first", arguments, {});
  const Items items = iterate(runtime.budget, value);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

// What Python's reversed() refuses.
void check_reversible(const Value& value) {
  const bool is_generator = value.as_sequence(SequenceKind::kGenerator) != nullptr;
  if (is_generator) throw RenderError("'generator' object is not reversible");
}

Value last(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("last", arguments, {});
  check_reversible(value);
  const Items items = iterate(runtime.budget, value);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value reverse(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("reverse", arguments, {});
  Items items = iterate(runtime.budget, value);
  std::ranges::reverse(items);
  if (!value.is_text()) return Value::generator(std::move(items));
  std::string text;
  for (const Value& item : items) text += item.as_text()->bytes;
  return make_text(runtime.budget, std::move(text), value.as_text()->is_markup);
}

// Sorts by keys that were made before; equal ones keep their order also when it is reversed.
Items sorted(Runtime& runtime, std::vector<std::pair<Value, Value>> keyed, bool reversed) {
  const auto less = [&](const auto& a, const auto& b) {
    runtime.budget.step();
    return reversed ? is_less(b.first, a.first) : is_less(a.first, b.first);
  };
  std::ranges::stable_sort(keyed, less);
  Items items;
  for (auto& entry : keyed) items.push_back(std::move(entry.second));
  return items;
}

Value sort(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const bool folds = !parameters.truth_or(1, false);
  const Value path = parameters.value_or(2, Value());
  Items paths{path};
  if (path.is_text()) {
    paths.clear();
    for (auto& one : split_at(path.as_text()->bytes, ",", -1, false)) {
      paths.push_back(Value::text(std::move(one)));
    }
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : iterate(runtime.budget, value)) {
    Items keys;
    for (const Value& one : paths) {
      const Value key = follow(runtime, item, one);
      keys.push_back(folds ? without_case(runtime, key) : key);
    }
    keyed.emplace_back(Value::list(std::move(keys)), item);
  }
  return Value::list(sorted(runtime, std::move(keyed), parameters.truth_or(0, false)));
}

Value dictsort(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = parameters.text_or(1, "key");
  if (by != "key" && by != "value") {
    throw RenderError("You can only sort by either \"key\" or \"value\"");
  }
  if (value.is_undefined()) fail_undefined(value);
  if (value.as_dict() == nullptr)
    throw RenderError("dictsort needs a dict, not " + value.type_name());
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [name, item] : value.as_dict()->items) {
    const Value& key = by == "key" ? name : item;
    keyed.emplace_back(parameters.truth_or(0, false) ? key : without_case(runtime, key),
                       Value::tuple({name, item}));
  }
  return Value::list(sorted(runtime, std::move(keyed), parameters.truth_or(2, false)));
}

Value items(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("items", arguments, {});
  if (value.is_undefined()) return Value::generator({});
  if (value.as_dict() == nullptr) throw RenderError("Can only get item pairs from a mapping.");
  runtime.budget.charge(value.as_dict()->items.size() * sizeof(Value));
  Items pairs;
  for (const auto& entry : value.as_dict()->items) {
    pairs.push_back(Value::tuple({entry.first, entry.second}));
  }
  return Value::generator(std::move(pairs));
}

Value unique(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("unique", arguments, {"case_sensitive", "attribute"});
  Dict seen;
  Items kept;
  for (const Value& item : iterate(runtime.budget, value)) {
    Value key = follow(runtime, item, parameters.value_or(1, Value()));
    if (!parameters.truth_or(0, false)) key = without_case(runtime, key);
    if (seen.find(key) != nullptr) continue;
    seen.set(key, Value());
    kept.push_back(item);
  }
  return Value::generator(std::move(kept));
}

template <bool kMax>
Value extreme(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("min", arguments, {"case_sensitive", "attribute"});
  const auto key_of = [&](const Value& item) {
    const Value key = follow(runtime, item, parameters.value_or(1, Value()));
    return parameters.truth_or(0, false) ? key : without_case(runtime, key);
  };
  std::optional<Value> best;
  for (const Value& item : iterate(runtime.budget, value)) {
    const bool better = !best || (kMax ? is_less(key_of(*best), key_of(item))
                                       : is_less(key_of(item), key_of(*best)));
    if (better) best = item;
  }
  return best ? *best : Value::undefined("No aggregated item, sequence was empty.");
}

Value batch(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("batch", arguments, {"linecount", "fill_with"}, 1);
  const auto size = parameters.integer_or(0, 1);
  Items batches;
  Items current;
  for (const Value& item : iterate(runtime.budget, value)) {
    if (static_cast<std::int64_t>(current.size()) == size) {
      batches.push_back(Value::list(std::move(current)));
      current = {};
    }
    current.push_back(item);
  }
  if (current.empty()) return Value::generator(std::move(batches));
  while (parameters.is_given(1) && static_cast<std::int64_t>(current.size()) < size) {
    runtime.budget.charge(sizeof(Value));
    current.push_back(parameters.at(1));
  }
  batches.push_back(Value::list(std::move(current)));
  return Value::generator(std::move(batches));
}

Value groupby(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  std::optional<Value> otherwise;
  if (parameters.is_given(1)) otherwise = parameters.at(1);
  const auto own_key = [&](const Value& item) {
    return follow(runtime, item, parameters.at(0), otherwise);
  };
  const auto key_of = [&](const Value& item) {
    const Value key = own_key(item);
    return parameters.truth_or(2, false) ? key : without_case(runtime, key);
  };
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : iterate(runtime.budget, value)) keyed.emplace_back(key_of(item), item);
  const Items ordered = sorted(runtime, std::move(keyed), false);
  Items groups;
  for (std::size_t begin = 0; begin < ordered.size();) {
    std::size_t end = begin + 1;
    while (end < ordered.size() && equals(key_of(ordered[end]), key_of(ordered[begin]))) ++end;
    const auto at = [&](std::size_t i) { return ordered.begin() + static_cast<std::ptrdiff_t>(i); };
    groups.push_back(
        Value::tuple({own_key(ordered[begin]), Value::list(Items(at(begin), at(end)))}));
    begin = end;
  }
  return Value::list(std::move(groups));
}

Value attr(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("attr", arguments, {"name"}, 1);
  // Attributes alone, never keys.
  if (value.as_dict() != nullptr) {
    const auto method = find_method(value, parameters.text_or(0, ""));
    return method ? *method : Value::undefined("'dict object' has no such attribute");
  }
  return runtime.attribute(value, parameters.text_or(0, ""));
}

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  static constexpr Named<Filter> kFilters[] = {{"list", list},
                                               {"first", first},
                                               {"last", last},
                                               {"reverse", reverse},
                                               {"sort", sort},
                                               {"dictsort", dictsort},
                                               {"items", items},
                                               {"unique", unique},
                                               {"min", extreme<false>},
                                               {"max", extreme<true>},
                                               {"batch", batch},
                                               {"groupby", groupby},
                                               {"attr", attr}};
  return find_named(kFilters, name);
}

}  // namespace troupe::jinja
