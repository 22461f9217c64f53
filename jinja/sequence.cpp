#include <algorithm>

#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

Items characters(Budget& budget, const Text& text) {
  budget.charge(text.length * (sizeof(Value) + sizeof(Text) + kBlockBytes));
  Items items;
  items.reserve(text.length);
  for (std::size_t position = 0; position < text.bytes.size();) {
    const std::size_t begin = position;
    unicode::next(text.bytes, position);
    items.push_back(Value::text(text.bytes.substr(begin, position - begin), text.is_markup));
  }
  return items;
}

// Where the character `index` of `text` begins, in bytes.
std::size_t byte_of(Budget& budget, const Text& text, std::size_t index) {
  if (text.length == text.bytes.size()) return index;
  budget.charge_work(8 * index);
  std::size_t position = 0;
  for (std::size_t i = 0; i < index; ++i) unicode::next(text.bytes, position);
  return position;
}

// An index from the end when it is negative; none beyond either end.
std::optional<std::size_t> place(std::int64_t index, std::size_t size) {
  const auto count = static_cast<std::int64_t>(size);
  if (index < -count || index >= count) return std::nullopt;
  return static_cast<std::size_t>(index < 0 ? index + count : index);
}

struct Bounds {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t step;
};

std::int64_t bound_or(const Value& value, std::int64_t otherwise) {
  if (value.is_none()) return otherwise;
  if (!value.is_integer()) {
    throw RenderError("slice indices must be integers or None or have an __index__ method");
  }
  return value.integer();
}

// As PySlice_AdjustIndices does it.
Bounds resolve(const Value& begin, const Value& end, const Value& step, std::size_t size) {
  const auto count = static_cast<std::int64_t>(size);
  const std::int64_t by = bound_or(step, 1);
  if (by == 0) throw RenderError("slice step cannot be zero");
  const std::int64_t low = by < 0 ? -1 : 0;
  const std::int64_t high = by < 0 ? count - 1 : count;
  const auto place_of = [&](const Value& value, std::int64_t otherwise) {
    if (value.is_none()) return otherwise;
    std::int64_t index = bound_or(value, 0);
    if (index < 0) index = index < -count ? low : index + count;
    return std::clamp(index, low, high);
  };
  return {place_of(begin, by < 0 ? high : low), place_of(end, by < 0 ? low : high), by};
}

template <typename Take>
void walk(const Bounds& bounds, Take take) {
  std::int64_t i = bounds.begin;
  while (bounds.step > 0 ? i < bounds.end : i > bounds.end) {
    take(static_cast<std::size_t>(i));
    if (__builtin_add_overflow(i, bounds.step, &i)) return;
  }
}

std::string_view cut(Budget& budget, const Text& text, const Bounds& bounds) {
  const std::int64_t end = std::max(bounds.begin, bounds.end);
  const std::size_t first = byte_of(budget, text, static_cast<std::size_t>(bounds.begin));
  const std::size_t last = byte_of(budget, text, static_cast<std::size_t>(end));
  return std::string_view(text.bytes).substr(first, last - first);
}

Value slice_text(Budget& budget, const Text& text, const Bounds& bounds) {
  if (bounds.step == 1) {
    return copy_text(budget, cut(budget, text, bounds), text.is_markup);
  }
  budget.charge(text.bytes.size() * sizeof(char32_t));
  const std::u32string all = unicode::decode(text.bytes);
  TextBuilder taken(budget);
  walk(bounds, [&](std::size_t i) { taken.append(all[i]); });
  return make_text(budget, taken.take(), text.is_markup);
}

}  // namespace

Items iterate(Budget& budget, const Value& value) {
  if (const Text* text = value.as_text()) return characters(budget, *text);
  if (Sequence* sequence = value.as_sequence()) {
    budget.charge(sequence->items.size() * sizeof(Value));
    if (sequence->kind != SequenceKind::kGenerator) return sequence->items;
    const auto begin = sequence->items.begin() + static_cast<std::ptrdiff_t>(sequence->taken);
    sequence->taken = sequence->items.size();
    return {begin, sequence->items.end()};
  }
  if (const Dict* dict = value.as_dict()) {
    budget.charge(dict->items.size() * sizeof(Value));
    Items keys;
    keys.reserve(dict->items.size());
    for (const auto& entry : dict->items) keys.push_back(entry.first);
    return keys;
  }
  if (value.is_undefined()) return {};
  throw RenderError("'" + value.type_name() + "' object is not iterable");
}

ItemView::ItemView(Budget& budget, const Value& value) : kept_(value) {
  if (Sequence* sequence = value.as_sequence()) {
    budget.charge_work(sequence->items.size() * sizeof(Value));
    begin_ = sequence->items.data();
    end_ = begin_ + sequence->items.size();
    if (sequence->kind != SequenceKind::kGenerator) return;
    begin_ += sequence->taken;
    sequence->taken = sequence->items.size();
    return;
  }
  made_ = iterate(budget, value);
  begin_ = made_.data();
  end_ = begin_ + made_.size();
}

std::string_view window(Budget& budget, const Text& text, const Value& begin, const Value& end) {
  if (begin.is_none() && end.is_none()) return text.bytes;
  return cut(budget, text, resolve(begin, end, Value(), text.length));
}

std::size_t length(const Value& value) {
  if (const Text* text = value.as_text()) return text->length;
  if (const Dict* dict = value.as_dict()) return dict->items.size();
  if (value.is_undefined()) return 0;
  const Sequence* sequence = value.as_sequence();
  if (sequence != nullptr && sequence->kind != SequenceKind::kGenerator) {
    return sequence->items.size();
  }
  throw RenderError("object of type '" + value.type_name() + "' has no len()");
}

std::optional<Value> item(Budget& budget, const Value& container, const Value& key) {
  if (container.is_undefined()) fail_undefined(container);
  if (const Dict* dict = container.as_dict()) {
    if (key.as_dict() != nullptr || key.as_sequence(SequenceKind::kList) != nullptr) {
      return std::nullopt;  // cannot be hashed
    }
    const Value* found = dict->find(budget, key);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
  if (!key.is_integer()) return std::nullopt;
  if (const Text* text = container.as_text()) {
    const auto index = place(key.integer(), text->length);
    if (!index) return std::nullopt;
    std::size_t position = byte_of(budget, *text, *index);
    const std::size_t begin = position;
    unicode::next(text->bytes, position);
    return copy_text(
        budget, std::string_view(text->bytes).substr(begin, position - begin), text->is_markup);
  }
  const Sequence* sequence = container.as_sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::kView ||
      sequence->kind == SequenceKind::kGenerator) {
    return std::nullopt;
  }
  const auto index = place(key.integer(), sequence->items.size());
  return index ? std::optional(sequence->items[*index]) : std::nullopt;
}

Value slice(Budget& budget,
            const Value& container,
            const Value& begin,
            const Value& end,
            const Value& step) {
  if (container.is_undefined()) fail_undefined(container);
  const auto is_index = [](const Value& value) { return value.is_none() || value.is_integer(); };
  const Sequence* sequence = container.as_sequence();
  const bool can =
      container.is_text() || (sequence != nullptr && sequence->kind != SequenceKind::kView &&
                              sequence->kind != SequenceKind::kGenerator);
  // A TypeError in Python, which a lookup of jinja2 turns into an undefined value.
  if (!can || !is_index(begin) || !is_index(end) || !is_index(step)) {
    return make_undefined(budget, container.type_name() + " object has no such slice");
  }
  const Bounds bounds = resolve(begin, end, step, length(container));
  if (const Text* text = container.as_text()) return slice_text(budget, *text, bounds);
  Items taken;
  walk(bounds, [&](std::size_t i) { push(budget, taken, sequence->items[i]); });
  const bool is_range = sequence->kind == SequenceKind::kRange;
  return make_sequence(budget, sequence->kind, std::move(taken), is_range ? "range(…)" : "");
}

}  // namespace troupe::jinja
