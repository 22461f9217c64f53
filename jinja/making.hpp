// Values made while rendering. Every one is made here, which charges it to the rendering's budget:
// the object itself, its containers and its text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "jinja/limits.hpp"
#include "jinja/object.hpp"
#include "jinja/value.hpp"

namespace troupe::jinja {

// What an allocation takes beside its bytes: the counts of a shared pointer and the allocator's own
// words.
inline constexpr std::size_t kBlockBytes = 32;

Value make_text(Budget& budget, std::string bytes, bool is_markup = false);
// A copy of `bytes`, charged before it is made.
Value copy_text(Budget& budget, std::string_view bytes, bool is_markup = false);
Value make_undefined(Budget& budget, std::string message);
Value make_sequence(Budget& budget, SequenceKind kind, Items items, std::string label = {});
Value make_list(Budget& budget, Items items);
Value make_tuple(Budget& budget, Items items);
Value make_generator(Budget& budget, Items items);
Value make_dict(Budget& budget, Dict dict);

template <typename Made, typename... Parts>
Value make_object(Budget& budget, Parts&&... parts) {
  budget.charge(sizeof(Made) + kBlockBytes);
  return Value(std::shared_ptr<Object>(std::make_shared<Made>(std::forward<Parts>(parts)...)));
}

// Puts `item` behind the others and charges the room when it grows.
void push(Budget& budget, Items& items, Value item);

// `text` as a message may quote it: cut where it is long.
std::string shortened(std::string_view text);

// A text in the making: its room is charged before it grows.
class TextBuilder {
 public:
  explicit TextBuilder(Budget& budget) : budget_(budget) {}

  TextBuilder& operator+=(std::string_view more);

  TextBuilder& operator+=(char more) { return *this += std::string_view(&more, 1); }

  void append(char32_t character);

  std::size_t size() const { return text_.size(); }

  std::string take() { return std::move(text_); }

  Budget& budget() { return budget_; }

 private:
  Budget& budget_;
  std::string text_;
};

}  // namespace troupe::jinja
