#include "jinja/loop.hpp"

#include <algorithm>
#include <utility>

#include "jinja/error.hpp"
#include "jinja/operations.hpp"

namespace troupe::jinja {
namespace {

// A method of `loop`.
template <typename Call>
class LoopMethod : public Object {
 public:
  LoopMethod(std::shared_ptr<Loop> loop, Call call) : loop_(std::move(loop)), call_(call) {}

  std::string type_name() const override { return "method"; }

  Value call(Runtime&, Arguments arguments) override { return call_(*loop_, arguments); }

 private:
  std::shared_ptr<Loop> loop_;
  Call call_;
};

}  // namespace

const std::optional<Value>& Loop::peek() {
  while (!after_ && position_ < items_.size()) {
    const Value& item = items_[position_++];
    if (node_.condition == nullptr || evaluator_.passes(node_, around_, item)) after_ = item;
  }
  return after_;
}

std::optional<Value> Loop::next() {
  peek();
  before_ = std::exchange(current_, std::exchange(after_, std::nullopt));
  ++index0_;
  return current_;
}

std::int64_t Loop::length() {
  // What is left is judged now.
  Items rest;
  if (peek()) rest.push_back(*after_);
  if (node_.condition != nullptr) {
    std::optional<Value> first = std::exchange(after_, std::nullopt);
    while (peek()) rest.push_back(*std::exchange(after_, std::nullopt));
    items_ = rest;
    position_ = first ? 1 : 0;
    after_ = first;
    return index0_ + 1 + static_cast<std::int64_t>(rest.size());
  }
  return static_cast<std::int64_t>(items_.size());
}

std::optional<Value> Loop::attribute(std::string_view name) {
  if (name == "index") return Value(index0_ + 1);
  if (name == "index0") return Value(index0_);
  if (name == "first") return Value(index0_ == 0);
  if (name == "last") return Value(!peek().has_value());
  if (name == "length") return Value(length());
  if (name == "revindex") return Value(length() - index0_);
  if (name == "revindex0") return Value(length() - index0_ - 1);
  if (name == "depth") return Value(depth0_ + 1);
  if (name == "depth0") return Value(depth0_);
  if (name == "previtem") {
    return index0_ == 0 || !before_ ? Value::undefined("there is no previous item") : *before_;
  }
  if (name == "nextitem") return peek() ? *after_ : Value::undefined("there is no next item");
  const auto method = [this](auto call) {
    return Value(std::shared_ptr<Object>(
        std::make_shared<LoopMethod<decltype(call)>>(shared_from_this(), call)));
  };
  if (name == "cycle") return method([](Loop& loop, Arguments& all) { return loop.cycle(all); });
  if (name == "changed")
    return method([](Loop& loop, Arguments& all) { return loop.changed(all); });
  return std::nullopt;
}

Value Loop::cycle(Arguments& arguments) const {
  if (arguments.positional.empty()) throw RenderError("no items for cycling given");
  const auto count = static_cast<std::int64_t>(arguments.positional.size());
  return arguments.positional[static_cast<std::size_t>(std::max<std::int64_t>(index0_, 0) % count)];
}

Value Loop::changed(Arguments& arguments) {
  const bool same = changed_ && equals(Value::tuple(*changed_), Value::tuple(arguments.positional));
  changed_ = arguments.positional;
  return !same;
}

Value Loop::call(Runtime& runtime, Arguments arguments) {
  if (!node_.is_recursive) {
    throw RenderError("The loop must have the 'recursive' marker to be called recursively.");
  }
  if (arguments.positional.size() != 1) throw RenderError("loop() takes one argument");
  std::string text;
  evaluator_.run_loop(node_, around_, arguments.positional[0], depth0_ + 1, text);
  return make_text(runtime.budget, std::move(text));
}

}  // namespace troupe::jinja
