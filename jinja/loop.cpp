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

  Value call(Runtime& runtime, Arguments arguments) override {
    return call_(runtime.budget, *loop_, arguments);
  }

 private:
  std::shared_ptr<Loop> loop_;
  Call call_;
};

}  // namespace

const std::optional<Value>& Loop::peek() {
  const bool judged = is_judged_ || node_.condition == nullptr;
  while (!after_ && position_ < items_.size()) {
    const Value item = items_[position_++];  // the condition may ask for the length
    if (judged || evaluator_.passes(node_, around_, item)) after_ = item;
  }
  return after_;
}

std::optional<Value> Loop::next() {
  peek();
  before_ = std::exchange(current_, std::exchange(after_, std::nullopt));
  ++index0_;
  return current_;
}

std::int64_t Loop::length(Budget& budget) {
  if (node_.condition == nullptr) return static_cast<std::int64_t>(items_.size());
  if (length_) return *length_;
  // What is left is judged now, and once: it stays what it is.
  Items rest;
  const bool has_next = peek().has_value();
  while (peek()) push(budget, rest, *std::exchange(after_, std::nullopt));
  length_ = index0_ + 1 + static_cast<std::int64_t>(rest.size());
  items_ = std::move(rest);
  is_judged_ = true;
  position_ = has_next ? 1 : 0;
  if (has_next) after_ = items_.front();
  return *length_;
}

void Loop::empty() {
  items_ = {};
  position_ = 0;
  before_.reset();
  current_.reset();
  after_.reset();
  changed_.reset();
  around_.reset();
}

std::optional<Value> Loop::attribute(Budget& budget, std::string_view name) {
  if (name == "index") return Value(index0_ + 1);
  if (name == "index0") return Value(index0_);
  if (name == "first") return Value(index0_ == 0);
  if (name == "last") return Value(!peek().has_value());
  if (name == "length") return Value(length(budget));
  if (name == "revindex") return Value(length(budget) - index0_);
  if (name == "revindex0") return Value(length(budget) - index0_ - 1);
  if (name == "depth") return Value(depth0_ + 1);
  if (name == "depth0") return Value(depth0_);
  if (name == "previtem") {
    return index0_ == 0 || !before_ ? make_undefined(budget, "there is no previous item")
                                    : *before_;
  }
  if (name == "nextitem") return peek() ? *after_ : make_undefined(budget, "there is no next item");
  const auto method = [&](auto call) {
    return make_object<LoopMethod<decltype(call)>>(budget, shared_from_this(), call);
  };
  if (name == "cycle") {
    return method([](Budget&, Loop& loop, Arguments& all) { return loop.cycle(all); });
  }
  if (name == "changed") {
    return method([](Budget& own, Loop& loop, Arguments& all) { return loop.changed(own, all); });
  }
  return std::nullopt;
}

Value Loop::cycle(Arguments& arguments) const {
  if (arguments.positional.empty()) throw RenderError("no items for cycling given");
  const auto count = static_cast<std::int64_t>(arguments.positional.size());
  return arguments.positional[static_cast<std::size_t>(std::max<std::int64_t>(index0_, 0) % count)];
}

Value Loop::changed(Budget& budget, Arguments& arguments) {
  const Items& now = arguments.positional;
  const auto same = [&](const Value& a, const Value& b) { return equals(budget, a, b); };
  const bool is_same =
      changed_ && std::equal(changed_->begin(), changed_->end(), now.begin(), now.end(), same);
  budget.charge(now.size() * sizeof(Value));
  changed_ = now;
  return !is_same;
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
