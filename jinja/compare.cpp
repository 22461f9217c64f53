#include <algorithm>
#include <cmath>

#include "jinja/error.hpp"
#include "jinja/find_text.hpp"
#include "jinja/operations.hpp"

namespace troupe::jinja {
namespace {

bool equal_texts(Budget& budget, const std::string& left, const std::string& right) {
  if (left.size() != right.size()) return false;
  budget.charge_work(left.size());
  return left == right;
}

bool equal_items(Budget& budget, const Items& left, const Items& right) {
  const auto same = [&](const Value& a, const Value& b) { return equals(budget, a, b); };
  return left.size() == right.size() && std::equal(left.begin(), left.end(), right.begin(), same);
}

bool equal_dicts(Budget& budget, const Dict& left, const Dict& right) {
  if (left.items.size() != right.items.size()) return false;
  return std::ranges::all_of(left.items, [&](const auto& entry) {
    const Value* other = right.find(budget, entry.first);
    return other != nullptr && equals(budget, entry.second, *other);
  });
}

bool equal_sequences(Budget& budget, const Sequence& left, const Sequence& right) {
  const bool is_view = left.kind == SequenceKind::kView;
  if (left.kind != right.kind || left.kind == SequenceKind::kGenerator) return false;
  if (is_view && (left.label != right.label || left.label == "dict_values")) return false;
  return equal_items(budget, left.items, right.items);
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

bool compare(Budget& budget, const Value& left, const Value& right, bool or_equal) {
  budget.step();
  if (left.is_number() && right.is_number()) {
    if (left.is_integer() && right.is_integer()) {
      return or_equal ? left.integer() <= right.integer() : left.integer() < right.integer();
    }
    return or_equal ? left.number() <= right.number() : left.number() < right.number();
  }
  if (left.is_text() && right.is_text()) {  // the order of UTF-8 is that of code points
    const std::string& mine = left.as_text()->bytes;
    const std::string& other = right.as_text()->bytes;
    budget.charge_work(std::min(mine.size(), other.size()));
    const int order = mine.compare(other);
    return or_equal ? order <= 0 : order < 0;
  }
  if (!have_ordered_items(left, right)) fail_order(left, right);
  const Items& mine = left.as_sequence()->items;
  const Items& other = right.as_sequence()->items;
  const auto same = [&](const Value& a, const Value& b) { return equals(budget, a, b); };
  const auto [first, its] =
      std::mismatch(mine.begin(), mine.end(), other.begin(), other.end(), same);
  if (first != mine.end() && its != other.end()) return compare(budget, *first, *its, or_equal);
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

bool equals(Budget& budget, const Value& left, const Value& right) {
  budget.step();
  if (left.is_number() && right.is_number()) return equal_numbers(left, right);
  // Python too takes one object for equal to itself; only a number can be not a number.
  if (left.is_same_as(right)) return true;
  if (left.is_text() && right.is_text()) {
    return equal_texts(budget, left.as_text()->bytes, right.as_text()->bytes);
  }
  if (left.as_sequence() != nullptr && right.as_sequence() != nullptr) {
    return equal_sequences(budget, *left.as_sequence(), *right.as_sequence());
  }
  if (left.as_dict() != nullptr && right.as_dict() != nullptr) {
    return equal_dicts(budget, *left.as_dict(), *right.as_dict());
  }
  return left.is_undefined() && right.is_undefined();
}

bool is_less(Budget& budget, const Value& left, const Value& right) {
  return compare(budget, left, right, false);
}

bool is_less_or_equal(Budget& budget, const Value& left, const Value& right) {
  return compare(budget, left, right, true);
}

bool contains(Budget& budget, const Value& container, const Value& item) {
  if (const Text* text = container.as_text()) {
    if (!item.is_text()) {
      throw RenderError("'in <string>' requires string as left operand, not " + item.type_name());
    }
    return find_text(budget, text->bytes, item.as_text()->bytes) != std::string_view::npos;
  }
  if (const Dict* dict = container.as_dict()) return dict->find(budget, item) != nullptr;
  const ItemView items(budget, container);
  return std::ranges::any_of(items, [&](const Value& one) { return equals(budget, one, item); });
}

}  // namespace troupe::jinja
