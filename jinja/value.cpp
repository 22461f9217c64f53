#include "jinja/value.hpp"

#include <algorithm>
#include <cmath>

#include "jinja/error.hpp"
#include "jinja/limits.hpp"
#include "jinja/object.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

// What an allocation takes beside its bytes.
constexpr std::size_t kAllocationBytes = 32;

std::size_t nested(std::size_t depth) {
  if (depth >= kValueDepthMax) {
    throw RenderError("values are nested more than " + std::to_string(kValueDepthMax) + " deep");
  }
  return depth + 1;
}

const char* sequence_name(const Sequence& sequence) {
  switch (sequence.kind) {
    case SequenceKind::kList:
      return "list";
    case SequenceKind::kTuple:
      return "tuple";
    case SequenceKind::kRange:
      return "range";
    case SequenceKind::kView:
      return sequence.label.c_str();
    case SequenceKind::kGenerator:
      break;
  }
  return "generator";
}

std::string number_key(const Value& value) {
  if (value.is_integer()) return "n" + std::to_string(value.integer());
  const double number = value.number();
  // A float that is a whole number equals that int.
  if (std::abs(number) < 9e18 && std::floor(number) == number) {
    return "n" + std::to_string(static_cast<std::int64_t>(number));
  }
  return "f" + std::string(reinterpret_cast<const char*>(&number), sizeof number);
}

}  // namespace

Value Value::text(std::string bytes, bool is_markup) {
  Text text{.bytes = std::move(bytes), .is_markup = is_markup};
  text.length = unicode::count(text.bytes);
  Value value;
  value.data_ = std::make_shared<const Text>(std::move(text));
  return value;
}

Value Value::undefined(std::string message) {
  Value value;
  value.data_ = std::make_shared<const Undefined>(Undefined{std::move(message)});
  return value;
}

Value Value::sequence(SequenceKind kind, Items items, std::string label) {
  std::size_t depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  Value value;
  value.data_ = std::make_shared<Sequence>(Sequence{
      .kind = kind, .items = std::move(items), .depth = nested(depth), .label = std::move(label)});
  return value;
}

Value Value::dict(Dict dict) {
  std::size_t depth = 0;
  for (const auto& [key, item] : dict.items) depth = std::max({depth, key.depth(), item.depth()});
  dict.depth = nested(depth);
  Value value;
  value.data_ = std::make_shared<const Dict>(std::move(dict));
  return value;
}

std::int64_t Value::integer() const {
  if (const bool* truth = std::get_if<bool>(&data_)) return *truth ? 1 : 0;
  return std::get<std::int64_t>(data_);
}

double Value::number() const {
  if (const double* number = std::get_if<double>(&data_)) return *number;
  return static_cast<double>(integer());
}

Sequence* Value::as_sequence(SequenceKind kind) const {
  Sequence* sequence = as_sequence();
  return sequence != nullptr && sequence->kind == kind ? sequence : nullptr;
}

std::string Value::type_name() const {
  if (is_none()) return "NoneType";
  if (is_bool()) return "bool";
  if (is_integer()) return "int";
  if (is_float()) return "float";
  if (is_text()) return as_text()->is_markup ? "Markup" : "str";
  if (as_sequence() != nullptr) return sequence_name(*as_sequence());
  if (as_dict() != nullptr) return "dict";
  if (as_object() != nullptr) return as_object()->type_name();
  return "Undefined";
}

std::size_t Value::depth() const {
  if (as_sequence() != nullptr) return as_sequence()->depth;
  if (as_dict() != nullptr) return as_dict()->depth;
  return as_object() == nullptr ? 0 : as_object()->depth();
}

bool Value::is_same_as(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  const auto same = [&](const auto& mine) {
    return mine == std::get<std::decay_t<decltype(mine)>>(other.data_);
  };
  return std::visit(same, data_);
}

void Dict::set(Budget& budget, const Value& key, Value value) {
  // An entry with the room of a list that doubles, and its place: a node with its bucket.
  constexpr std::size_t kEntryBytes =
      2 * sizeof(items[0]) + sizeof(std::pair<std::string, std::size_t>) + 2 * kAllocationBytes;
  std::string place_key = dict_key(budget, key);
  budget.charge(kEntryBytes + place_key.capacity());
  const auto [place, is_new] = places.emplace(std::move(place_key), items.size());
  if (is_new) items.emplace_back(key, std::move(value));
  if (!is_new) items[place->second].second = std::move(value);
}

void Dict::set(const Value& key, Value value) {
  Budget unbounded(Limits{.steps_max = ~std::uint64_t{0}, .bytes_max = ~std::uint64_t{0}});
  set(unbounded, key, std::move(value));
}

const Value* Dict::find(Budget& budget, const Value& key) const {
  const auto place = places.find(dict_key(budget, key));
  return place == places.end() ? nullptr : &items[place->second].second;
}

const Value* Dict::find(Budget& budget, std::string_view key) const {
  budget.charge_work(key.size());
  const auto place = places.find("s" + std::string(key));
  return place == places.end() ? nullptr : &items[place->second].second;
}

std::string dict_key(Budget& budget, const Value& value) {
  budget.step();
  if (value.is_none()) return "z";
  if (value.is_undefined()) return "u";
  if (value.is_number()) return number_key(value);
  if (const Text* text = value.as_text()) {
    budget.charge_work(text->bytes.size());
    return "s" + text->bytes;
  }
  if (const Object* object = value.as_object()) {
    return "o" + std::to_string(reinterpret_cast<std::uintptr_t>(object));
  }
  const Sequence* tuple = value.as_sequence(SequenceKind::kTuple);
  if (tuple == nullptr) throw RenderError("unhashable type: '" + value.type_name() + "'");
  std::string key = "t";
  for (const Value& item : tuple->items) {
    const std::string part = dict_key(budget, item);
    budget.charge(2 * part.size());  // twice: the key doubles as it grows
    key += std::to_string(part.size()) + ":" + part;
  }
  return key;
}

}  // namespace troupe::jinja
