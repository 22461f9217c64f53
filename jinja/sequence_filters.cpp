// Filters that order, cut and take from sequences.
#include <algorithm>

#include "jinja/attribute_path.hpp"
#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"
#include "jinja/text_operations.hpp"

namespace troupe::jinja {
namespace {

Value list(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("list", arguments, {});
  return make_list(runtime.budget, iterate(runtime.budget, value));
}

Value first(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("first", arguments, {});
  const ItemView items(runtime.budget, value);
  if (items.size() > 0) return items[0];
  return make_undefined(runtime.budget, "No first item, sequence was empty.");
}

// What Python's reversed() refuses.
void check_reversible(const Value& value) {
  const bool is_generator = value.as_sequence(SequenceKind::kGenerator) != nullptr;
  if (is_generator) throw RenderError("'generator' object is not reversible");
}

Value last(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("last", arguments, {});
  check_reversible(value);
  const ItemView items(runtime.budget, value);
  if (items.size() > 0) return items[items.size() - 1];
  return make_undefined(runtime.budget, "No last item, sequence was empty.");
}

Value reverse(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("reverse", arguments, {});
  Items items = iterate(runtime.budget, value);
  std::ranges::reverse(items);
  if (!value.is_text()) return make_generator(runtime.budget, std::move(items));
  TextBuilder text(runtime.budget);
  for (const Value& item : items) text += item.as_text()->bytes;
  return make_text(runtime.budget, text.take(), value.as_text()->is_markup);
}

using Keyed = std::vector<std::pair<Value, Value>>;

void push_keyed(Runtime& runtime, Keyed& keyed, Value key, const Value& item) {
  runtime.budget.charge(2 * sizeof(keyed[0]));
  keyed.emplace_back(std::move(key), item);
}

// Sorts by keys that were made before; equal ones keep their order also when it is reversed.
void sort_keyed(Runtime& runtime, Keyed& keyed, bool reversed) {
  runtime.budget.charge(keyed.size() * sizeof(keyed[0]));  // std::stable_sort() takes a copy
  std::ranges::stable_sort(keyed, [&](const auto& a, const auto& b) {
    return reversed ? is_less(runtime.budget, b.first, a.first)
                    : is_less(runtime.budget, a.first, b.first);
  });
}

Items sorted(Runtime& runtime, Keyed keyed, bool reversed) {
  sort_keyed(runtime, keyed, reversed);
  Items items;
  for (auto& entry : keyed) push(runtime.budget, items, std::move(entry.second));
  return items;
}

Value sort(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const bool folds = !parameters.truth_or(1, false);
  const Value path = parameters.value_or(2, Value());
  std::vector<AttributePath> paths;
  const auto add = [&](const Value& one) {
    runtime.budget.charge(2 * sizeof(AttributePath));
    paths.emplace_back(runtime.budget, one);
  };
  if (!path.is_text()) add(path);
  if (path.is_text()) {
    for (const auto one : split_at(runtime.budget, path.as_text()->bytes, ",", -1, false)) {
      add(copy_text(runtime.budget, one));
    }
  }
  Keyed keyed;
  for (const Value& item : ItemView(runtime.budget, value)) {
    Items keys;
    for (const AttributePath& one : paths) {
      const Value key = one.follow(runtime, item);
      push(runtime.budget, keys, folds ? without_case(runtime, key) : key);
    }
    push_keyed(runtime, keyed, make_list(runtime.budget, std::move(keys)), item);
  }
  const bool reversed = parameters.truth_or(0, false);
  return make_list(runtime.budget, sorted(runtime, std::move(keyed), reversed));
}

Value dictsort(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string_view by = parameters.text_or(1, "key");
  if (by != "key" && by != "value") {
    throw RenderError("You can only sort by either \"key\" or \"value\"");
  }
  if (value.is_undefined()) fail_undefined(value);
  if (value.as_dict() == nullptr)
    throw RenderError("dictsort needs a dict, not " + value.type_name());
  Keyed keyed;
  for (const auto& [name, item] : value.as_dict()->items) {
    const Value& key = by == "key" ? name : item;
    push_keyed(runtime,
               keyed,
               parameters.truth_or(0, false) ? key : without_case(runtime, key),
               make_tuple(runtime.budget, {name, item}));
  }
  const bool reversed = parameters.truth_or(2, false);
  return make_list(runtime.budget, sorted(runtime, std::move(keyed), reversed));
}

Value items(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("items", arguments, {});
  if (value.is_undefined()) return make_generator(runtime.budget, {});
  if (value.as_dict() == nullptr) throw RenderError("Can only get item pairs from a mapping.");
  Items pairs;
  for (const auto& entry : value.as_dict()->items) {
    push(runtime.budget, pairs, make_tuple(runtime.budget, {entry.first, entry.second}));
  }
  return make_generator(runtime.budget, std::move(pairs));
}

Value unique(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("unique", arguments, {"case_sensitive", "attribute"});
  const AttributePath path(runtime.budget, parameters.value_or(1, Value()));
  Dict seen;
  Items kept;
  for (const Value& item : ItemView(runtime.budget, value)) {
    Value key = path.follow(runtime, item);
    if (!parameters.truth_or(0, false)) key = without_case(runtime, key);
    if (seen.find(runtime.budget, key) != nullptr) continue;
    seen.set(runtime.budget, key, Value());
    push(runtime.budget, kept, item);
  }
  return make_generator(runtime.budget, std::move(kept));
}

template <bool kMax>
Value extreme(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("min", arguments, {"case_sensitive", "attribute"});
  const AttributePath path(runtime.budget, parameters.value_or(1, Value()));
  const bool folds = !parameters.truth_or(0, false);
  std::optional<Value> best;
  Value best_key;
  for (const Value& item : ItemView(runtime.budget, value)) {
    Value key = path.follow(runtime, item);
    if (folds) key = without_case(runtime, key);
    const bool better = !best || (kMax ? is_less(runtime.budget, best_key, key)
                                       : is_less(runtime.budget, key, best_key));
    if (!better) continue;
    best = item;
    best_key = std::move(key);
  }
  if (best) return *best;
  return make_undefined(runtime.budget, "No aggregated item, sequence was empty.");
}

Value batch(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("batch", arguments, {"linecount", "fill_with"}, 1);
  const auto size = parameters.integer_or(0, 1);
  Items batches;
  Items current;
  for (const Value& item : ItemView(runtime.budget, value)) {
    if (static_cast<std::int64_t>(current.size()) == size) {
      push(runtime.budget, batches, make_list(runtime.budget, std::move(current)));
      current = {};
    }
    push(runtime.budget, current, item);
  }
  if (current.empty()) return make_generator(runtime.budget, std::move(batches));
  while (parameters.is_given(1) && static_cast<std::int64_t>(current.size()) < size) {
    runtime.budget.step();
    push(runtime.budget, current, parameters.at(1));
  }
  push(runtime.budget, batches, make_list(runtime.budget, std::move(current)));
  return make_generator(runtime.budget, std::move(batches));
}

Value groupby(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  std::optional<Value> otherwise;
  if (parameters.is_given(1)) otherwise = parameters.at(1);
  const AttributePath path(runtime.budget, parameters.at(0), otherwise);
  const bool folds = !parameters.truth_or(2, false);
  Budget& budget = runtime.budget;
  Keyed keyed;  // the key that groups, and the pair of the item's own key and the item
  for (const Value& item : ItemView(budget, value)) {
    const Value own = path.follow(runtime, item);
    push_keyed(
        runtime, keyed, folds ? without_case(runtime, own) : own, make_tuple(budget, {own, item}));
  }
  sort_keyed(runtime, keyed, false);
  Items groups;
  for (std::size_t begin = 0, end = 0; begin < keyed.size(); begin = end) {
    Items group;
    for (end = begin; end < keyed.size(); ++end) {
      if (end > begin && !equals(budget, keyed[end].first, keyed[begin].first)) break;
      push(budget, group, keyed[end].second.as_sequence()->items[1]);
    }
    const Value& own = keyed[begin].second.as_sequence()->items[0];
    push(budget, groups, make_tuple(budget, {own, make_list(budget, std::move(group))}));
  }
  return make_list(budget, std::move(groups));
}

Value attr(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("attr", arguments, {"name"}, 1);
  // Attributes alone, never keys.
  if (value.as_dict() != nullptr) {
    const auto method = find_method(runtime.budget, value, parameters.text_or(0, ""));
    if (method) return *method;
    return make_undefined(runtime.budget, "'dict object' has no such attribute");
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
