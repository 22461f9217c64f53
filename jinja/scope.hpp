// The names that a template sets: blocks of it see those around them and keep their own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/runtime.hpp"

namespace troupe::jinja {

struct Scope : Emptied {
  explicit Scope(std::shared_ptr<Scope> around) : parent(std::move(around)) {}

  // `name` must outlive the rendering: it stands in the syntax tree or is a literal.
  void set(Budget& budget, std::string_view name, Value value) {
    budget.charge_work(names.size() * kWorkAName);
    for (auto& [own, old] : names) {
      if (own == name) {
        old = std::move(value);
        return;
      }
    }
    budget.charge(2 * sizeof(names[0]));
    names.emplace_back(name, std::move(value));
  }

  // Null when it is set neither here nor around.
  const Value* find(Budget& budget, std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
      budget.charge_work(scope->names.size() * kWorkAName);
      for (const auto& [own, value] : scope->names) {
        if (own == name) return &value;
      }
    }
    return nullptr;
  }

  void empty() override {
    names.clear();
    parent.reset();
  }

  // What looking at one name counts as, in bytes read.
  static constexpr std::size_t kWorkAName = 8;

  std::shared_ptr<Scope> parent;  // null: the template's own
  std::vector<std::pair<std::string_view, Value>> names;
};

using ScopePtr = std::shared_ptr<Scope>;

}  // namespace troupe::jinja
