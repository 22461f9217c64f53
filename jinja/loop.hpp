// The object `loop` within a loop.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "jinja/evaluator.hpp"

namespace troupe::jinja {

class Loop : public Object, public Emptied, public std::enable_shared_from_this<Loop> {
 public:
  // All but `items` must outlive the loop.
  Loop(Evaluator& evaluator, const For& node, ScopePtr around, Items items, std::int64_t depth0)
      : evaluator_(evaluator),
        node_(node),
        around_(std::move(around)),
        items_(std::move(items)),
        depth0_(depth0) {}

  // Moves on to the next item that passes the loop's condition; none at the end.
  std::optional<Value> next();

  std::string type_name() const override { return "LoopContext"; }

  std::optional<Value> attribute(Budget& budget, std::string_view name) override;
  // A recursive loop's body once more, over other items.
  Value call(Runtime& runtime, Arguments arguments) override;

  void empty() override;

  // loop.cycle(…) and loop.changed(…).
  Value cycle(Arguments& arguments) const;
  Value changed(Budget& budget, Arguments& arguments);

 private:
  // The item behind this one, judged by the condition now: it stays what it is.
  const std::optional<Value>& peek();
  std::int64_t length(Budget& budget);

  Evaluator& evaluator_;
  const For& node_;
  ScopePtr around_;
  Items items_;
  std::int64_t depth0_;
  std::size_t position_ = 0;  // of the next item to look at
  bool is_judged_ = false;    // all items left have passed the condition
  std::optional<std::int64_t> length_;
  std::int64_t index0_ = -1;
  std::optional<Value> before_;
  std::optional<Value> current_;
  std::optional<Value> after_;
  std::optional<Items> changed_;
};

}  // namespace troupe::jinja
