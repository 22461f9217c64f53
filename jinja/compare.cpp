#include <algorithm>
#include <cmath>

#include "jinja/error.hpp"
#include "jinja/object.hpp"
#include "jinja/operations.hpp"

namespace troupe::jinja {
namespace {

bool equal_items(const Items& left, const Items& right) {
  return left.size() == right.size() && std::equal(left.begin(), left.end(), right.begin(), equals);
}

bool equal_dicts(const Dict& left, const Dict& right) {
  if (left.items.size() != right.items.size()) return false;
  return std::ranges::all_of(left.items, [&](const auto& entry) {
    const Value* other = right.find(entry.first);
    return other != nullptr && equals(entry.second, *other);
  });
}

bool equal_sequences(const Value& left, const Value& right) {
  const Sequence& mine = *left.as_sequence();
  const Sequence& other = *right.as_sequence();
  if (mine.kind != other.kind) return false;
  if (mine.kind == SequenceKind::kGenerator) return left.is_same_as(right);
  if (mine.kind == SequenceKind::kView &&
      (mine.label != other.label || mine.label == "dict_values"))
    return left.is_same_as(right);
  return equal_items(mine.items, other.items);
}

bool equal_numbers(const Value& left, const Value& right) {
  if (left.is_integer() && right.is_integer()) return left.integer() == right.integer();
  return left.number() == right.number();
}

[[noreturn]] void fail_order(const Value& left, const Value& right) {
  if (left.is_undefined()) fail_undefined(left);
  if (right.is_undefined()) fail_undefined(right);
  throw RenderError("'<' not supported between instances of '" + left.type_name() + "' and '" +
                    right.type_name() + "'");
}

// Both are lists, or both tuples.
bool have_ordered_items(const Value& left, const Value& right) {
  for (const SequenceKind kind : {SequenceKind::kList, SequenceKind::kTuple}) {
    if (left.as_sequence(kind) != nullptr && right.as_sequence(kind) != nullptr) return true;
  }
  return false;
}

bool compare(const Value& left, const Value& right, bool or_equal) {
  if (left.is_number() && right.is_number()) {
    if (left.is_integer() && right.is_integer()) {
      return or_equal ? left.integer() <= right.integer() : left.integer() < right.integer();
    }
    return or_equal ? left.number() <= right.number() : left.number() < right.number();
  }
  if (left.is_text() && right.is_text()) {  // the order of UTF-8 is that of code points
    const int order = left.as_text()->bytes.compare(right.as_text()->bytes);
    return or_equal ? order <= 0 : order < 0;
  }
  if (!have_ordered_items(left, right)) fail_order(left, right);
  const Items& mine = left.as_sequence()->items;
  const Items& other = right.as_sequence()->items;
  for (std::size_t i = 0; i < std::min(mine.size(), other.size()); ++i) {
    if (!equals(mine[i], other[i])) return compare(mine[i], other[i], or_equal);
  }
  return or_equal ? mine.size() <= other.size() : mine.size() < other.size();
}

}  // namespace

void fail_undefined(const Value& value) { throw RenderError(value.as_undefined()->message); }

bool is_true(const Value& value) {
  if (value.is_none() || value.is_undefined()) return false;
  if (value.is_number()) return value.number() != 0;
  if (const Text* text = value.as_text()) return !text->bytes.empty();
  if (const Dict* dict = value.as_dict()) return !dict->items.empty();
  if (const Sequence* sequence = value.as_sequence()) {
    return sequence->kind == SequenceKind::kGenerator || !sequence->items.empty();
  }
  return true;
}

bool equals(const Value& left, const Value& right) {
  if (left.is_number() && right.is_number()) return equal_numbers(left, right);
  if (left.is_text() && right.is_text()) return left.as_text()->bytes == right.as_text()->bytes;
  if (left.is_undefined() && right.is_undefined()) return true;
  if (left.as_sequence() != nullptr && right.as_sequence() != nullptr) {
    return equal_sequences(left, right);
  }
  if (left.as_dict() != nullptr && right.as_dict() != nullptr) {
    return equal_dicts(*left.as_dict(), *right.as_dict());
  }
  return left.is_same_as(right);
}

bool is_less(const Value& left, const Value& right) { return compare(left, right, false); }

bool is_less_or_equal(const Value& left, const Value& right) { return compare(left, right, true); }

bool contains(Budget& budget, const Value& container, const Value& item) {
  if (const Text* text = container.as_text()) {
    if (!item.is_text()) {
      throw RenderError("'in <string>' requires string as left operand, not " + item.type_name());
    }
    budget.charge(text->bytes.size());
    return text->bytes.find(item.as_text()->bytes) != std::string::npos;
  }
  if (const Dict* dict = container.as_dict()) return dict->find(item) != nullptr;
  const Items items = iterate(budget, container);
  return std::ranges::any_of(items, [&](const Value& one) { return equals(one, item); });
}

}  // namespace troupe::jinja
