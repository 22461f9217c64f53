// The namespace object, which alone of a template's values can be assigned into.
#pragma once

#include <string>
#include <string_view>

#include "jinja/runtime.hpp"

namespace troupe::jinja {

class Namespace : public Object, public Emptied {
 public:
  std::string type_name() const override { return "Namespace"; }

  bool is_callable() const override { return false; }

  std::optional<Value> attribute(Budget& budget, std::string_view name) override;

  void empty() override { attributes_ = {}; }

  // Throws RenderError for names that begin with an underscore, as transformers does.
  void set(Budget& budget, const Value& name, Value value);

 private:
  Dict attributes_;
};

}  // namespace troupe::jinja
