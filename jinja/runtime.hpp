// What filters, tests and methods may ask of the rendering that they take part in.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/limits.hpp"
#include "jinja/object.hpp"
#include "jinja/value.hpp"

namespace troupe::jinja {

// Something that values can reach themselves through: emptied when the rendering ends, so that no
// circle of them outlives it.
class Emptied {
 public:
  virtual ~Emptied() = default;
  virtual void empty() = 0;
};

class Runtime {
 public:
  Runtime(const Limits& limits, std::time_t now_s) : budget(limits), now(now_s) {}

  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Each is held until all are empty, so that no destructor runs along a chain of them.
  ~Runtime() {
    for (const auto& one : emptied_) one->empty();
  }

  // object.name and object[key] as the sandbox of jinja2 looks them up: an undefined value when
  // there is nothing.
  Value attribute(const Value& object, std::string_view name);
  Value subscript(const Value& object, const Value& key);
  Value call(const Value& callee, Arguments arguments);
  // Throws RenderError when there is none of this name.
  Value filter(const std::string& name, const Value& value, Arguments arguments);
  bool test(const std::string& name, const Value& value, Arguments arguments);

  void empty_at_end(std::shared_ptr<Emptied> one) {
    budget.charge(2 * sizeof one);
    emptied_.push_back(std::move(one));
  }

  // Lets go of the one that came last when nothing else holds it but the caller.
  template <class One>
  void forget_last(const std::shared_ptr<One>& one) {
    if (emptied_.back() == one && one.use_count() == 2) emptied_.pop_back();
  }

  Budget budget;
  std::time_t now;  // what strftime_now formats

 private:
  std::vector<std::shared_ptr<Emptied>> emptied_;
};

}  // namespace troupe::jinja
