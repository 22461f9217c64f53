#include "jinja/making.hpp"

#include <algorithm>

#include "jinja/unicode.hpp"

namespace troupe::jinja {

Value make_text(Budget& budget, std::string bytes, bool is_markup) {
  budget.charge(bytes.capacity() + sizeof(Text) + kBlockBytes);
  return Value::text(std::move(bytes), is_markup);
}

Value copy_text(Budget& budget, std::string_view bytes, bool is_markup) {
  budget.charge(bytes.size() + sizeof(Text) + kBlockBytes);
  return Value::text(std::string(bytes), is_markup);
}

Value make_undefined(Budget& budget, std::string message) {
  budget.charge(message.capacity() + sizeof(Undefined) + kBlockBytes);
  return Value::undefined(std::move(message));
}

Value make_sequence(Budget& budget, SequenceKind kind, Items items, std::string label) {
  budget.charge(sizeof(Sequence) + kBlockBytes + items.capacity() * sizeof(Value) +
                label.capacity());
  return Value::sequence(kind, std::move(items), std::move(label));
}

Value make_list(Budget& budget, Items items) {
  return make_sequence(budget, SequenceKind::kList, std::move(items));
}

Value make_tuple(Budget& budget, Items items) {
  return make_sequence(budget, SequenceKind::kTuple, std::move(items));
}

Value make_generator(Budget& budget, Items items) {
  return make_sequence(budget, SequenceKind::kGenerator, std::move(items));
}

Value make_dict(Budget& budget, Dict dict) {
  budget.charge(sizeof(Dict) + kBlockBytes);
  budget.charge_work(dict.items.size() * sizeof(dict.items[0]));
  return Value::dict(std::move(dict));
}

void push(Budget& budget, Items& items, Value item) {
  if (items.size() == items.capacity()) {
    const std::size_t room = std::max<std::size_t>(4, 2 * items.capacity());
    budget.charge(room * sizeof(Value));
    items.reserve(room);
  }
  items.push_back(std::move(item));
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kQuotedBytesMax = 200;
  if (text.size() <= kQuotedBytesMax) return std::string(text);
  std::size_t end = 0;
  for (std::size_t next = 0; next <= kQuotedBytesMax; unicode::next(text, next)) end = next;
  return std::string(text.substr(0, end)) + "…";
}

TextBuilder& TextBuilder::operator+=(std::string_view more) {
  const std::size_t size = text_.size() + more.size();
  if (size > text_.capacity()) {
    const std::size_t room = std::max(size, 2 * text_.capacity());
    budget_.charge(room);
    text_.reserve(room);
  }
  text_ += more;
  return *this;
}

void TextBuilder::append(char32_t character) {
  if (character < 0x80) {
    *this += static_cast<char>(character);
    return;
  }
  std::string bytes;
  unicode::append(character, bytes);
  *this += bytes;
}

}  // namespace troupe::jinja
