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

  void set(std::string_view name, Value value) {
    for (auto& [own, old] : names) {
      if (own == name) {
        old = std::move(value);
        return;
      }
    }
    names.emplace_back(name, std::move(value));
  }

  // Null when it is set neither here nor around.
  const Value* find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
      for (const auto& [own, value] : scope->names) {
        if (own == name) return &value;
      }
    }
    return nullptr;
  }

  void empty() override { names.clear(); }

  std::shared_ptr<Scope> parent;  // null: the template's own
  std::vector<std::pair<std::string, Value>> names;
};

using ScopePtr = std::shared_ptr<Scope>;

}  // namespace troupe::jinja
