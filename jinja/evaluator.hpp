// Walks the syntax tree: one object for one rendering.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "jinja/runtime.hpp"
#include "jinja/scope.hpp"
#include "jinja/syntax.hpp"

namespace troupe::jinja {

class Evaluator {
 public:
  // `variables` must outlive the object.
  Evaluator(Runtime& runtime, const Dict& variables) : runtime_(runtime), variables_(variables) {}

  // Throws RenderError.
  std::string render(const Block& block);

  // For macros and loops, which call back. The text that a macro renders.
  Value call_macro(const MacroSyntax& macro, const ScopePtr& around, Arguments arguments);
  // The text of a loop over `items`; `depth0` counts the recursive calls around it.
  void run_loop(const For& node,
                const ScopePtr& around,
                const Value& items,
                std::int64_t depth0,
                std::string& out);
  bool passes(const For& node, const ScopePtr& around, const Value& item);

 private:
  enum class Flow : std::uint8_t { kOn, kBreak, kContinue };

  // Statements (evaluator.cpp).
  Flow run(const Block& block, const ScopePtr& scope, std::string& out);
  Flow run(const Statement& statement, const ScopePtr& scope, std::string& out);
  Flow run_node(const Data& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const Print& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const If& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const For& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const Set& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const SetBlock& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const MacroStatement& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const CallBlock& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const FilterBlock& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const With& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const Generation& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const Break& node, const ScopePtr& scope, std::string& out);
  Flow run_node(const Continue& node, const ScopePtr& scope, std::string& out);
  void write(std::string_view text, std::string& out);
  ScopePtr inside(const ScopePtr& around);
  Value make_macro(const std::shared_ptr<const MacroSyntax>& macro, const ScopePtr& around);
  void assign(const Expression& target, const Value& value, const ScopePtr& scope);

  // Expressions (evaluator_expression.cpp). `block` is what a filter without a value applies to.
  Value evaluate(const Expression& node, const ScopePtr& scope, const Value* block = nullptr);
  Value evaluate_kind(const Expression& node, const ScopePtr& scope, const Value* block);
  Value evaluate_or_none(const ExpressionPtr& node, const ScopePtr& scope);
  Value evaluate_name(const std::string& name, const ScopePtr& scope);
  Items evaluate_children(const Expression& node, const ScopePtr& scope);
  Value evaluate_dict(const Expression& node, const ScopePtr& scope);
  Value evaluate_slice(const Expression& node, const ScopePtr& scope);
  Value evaluate_filter(const Expression& node, const ScopePtr& scope, const Value* block);
  Value evaluate_concat(const Expression& node, const ScopePtr& scope);
  Value evaluate_compare(const Expression& node, const ScopePtr& scope);
  Value evaluate_conditional(const Expression& node, const ScopePtr& scope);
  Arguments evaluate_arguments(const CallSyntax& call, const ScopePtr& scope);
  bool compare(Comparison comparison, const Value& left, const Value& right);

  Runtime& runtime_;
  const Dict& variables_;
  int line_ = 1;  // of what is being evaluated
};

}  // namespace troupe::jinja
