#include "jinja/evaluator.hpp"

#include <algorithm>

#include "jinja/error.hpp"
#include "jinja/globals.hpp"
#include "jinja/loop.hpp"
#include "jinja/operations.hpp"

namespace troupe::jinja {
namespace {

// A macro with the names around its definition.
class Macro : public Object {
 public:
  Macro(Evaluator& evaluator, std::shared_ptr<const MacroSyntax> syntax, ScopePtr around)
      : evaluator_(evaluator), syntax_(std::move(syntax)), around_(std::move(around)) {}

  std::string type_name() const override { return "Macro"; }

  std::optional<Value> attribute(Budget& budget, std::string_view name) override {
    if (name == "name") return copy_text(budget, syntax_->name);
    return std::nullopt;
  }

  Value call(Runtime&, Arguments arguments) override {
    return evaluator_.call_macro(*syntax_, around_, std::move(arguments));
  }

 private:
  Evaluator& evaluator_;
  std::shared_ptr<const MacroSyntax> syntax_;
  ScopePtr around_;
};

// The first parameters take what was passed in order, the others what was named.
std::vector<std::optional<Value>> bind(Budget& budget,
                                       const MacroSyntax& macro,
                                       Arguments& arguments) {
  std::vector<std::optional<Value>> values;
  budget.charge(macro.parameters.size() * sizeof(values[0]));
  values.reserve(macro.parameters.size());
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    if (i < arguments.positional.size()) {
      values.emplace_back(arguments.positional[i]);
    } else {
      budget.charge_work(arguments.named.size() * Scope::kWorkAName);
      values.push_back(arguments.take(macro.parameters[i]));
    }
  }
  return values;
}

}  // namespace

std::string Evaluator::render(const Block& block) {
  std::string out;
  try {
    const ScopePtr scope = inside(nullptr);
    runtime_.empty_at_end(scope);
    run(block, scope, out);
  } catch (const Refusal&) {
    throw;
  } catch (const RenderError& error) {
    throw RenderError("line " + std::to_string(line_) + ": " + error.what());
  }
  return out;
}

void Evaluator::write(std::string_view text, std::string& out) {
  runtime_.budget.charge_output(text.size());
  out += text;
}

ScopePtr Evaluator::inside(const ScopePtr& around) {
  runtime_.budget.charge(sizeof(Scope) + kBlockBytes);
  return std::make_shared<Scope>(around);
}

Evaluator::Flow Evaluator::run(const Block& block, const ScopePtr& scope, std::string& out) {
  for (const Statement& statement : block) {
    const Flow flow = run(statement, scope, out);
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run(const Statement& statement,
                               const ScopePtr& scope,
                               std::string& out) {
  runtime_.budget.step();
  runtime_.budget.enter();
  line_ = statement.line;
  const Flow flow =
      std::visit([&](const auto& node) { return run_node(node, scope, out); }, statement.node);
  runtime_.budget.leave();
  return flow;
}

Evaluator::Flow Evaluator::run_node(const Data& node, const ScopePtr&, std::string& out) {
  write(node.text, out);
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run_node(const Print& node, const ScopePtr& scope, std::string& out) {
  const Value value = evaluate(*node.value, scope);
  if (const Text* text = value.as_text()) {
    write(text->bytes, out);
  } else {
    write(to_text(runtime_.budget, value), out);
  }
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run_node(const If& node, const ScopePtr& scope, std::string& out) {
  for (const auto& [test, body] : node.branches) {
    if (is_true(evaluate(*test, scope))) return run(body, scope, out);
  }
  return run(node.otherwise, scope, out);
}

Evaluator::Flow Evaluator::run_node(const For& node, const ScopePtr& scope, std::string& out) {
  run_loop(node, scope, evaluate(*node.iterable, scope), 0, out);
  return Flow::kOn;
}

bool Evaluator::passes(const For& node, const ScopePtr& around, const Value& item) {
  const ScopePtr scope = inside(around);
  assign(*node.target, item, scope);
  return is_true(evaluate(*node.condition, scope));
}

void Evaluator::run_loop(const For& node,
                         const ScopePtr& around,
                         const Value& items,
                         std::int64_t depth0,
                         std::string& out) {
  runtime_.budget.charge(sizeof(Loop) + kBlockBytes);
  const auto loop =
      std::make_shared<Loop>(*this, node, around, iterate(runtime_.budget, items), depth0);
  runtime_.empty_at_end(loop);  // it may reach itself by its items, or by the names around it
  bool is_empty = true;
  while (const auto item = loop->next()) {
    is_empty = false;
    const ScopePtr scope = inside(around);
    scope->set(runtime_.budget, "loop", Value(std::shared_ptr<Object>(loop)));
    assign(*node.target, *item, scope);
    if (run(node.body, scope, out) == Flow::kBreak) break;
  }
  runtime_.forget_last(loop);
  if (is_empty) run(node.otherwise, inside(around), out);
}

Evaluator::Flow Evaluator::run_node(const Set& node, const ScopePtr& scope, std::string&) {
  assign(*node.target, evaluate(*node.value, scope), scope);
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run_node(const SetBlock& node, const ScopePtr& scope, std::string&) {
  std::string text;
  const Flow flow = run(node.body, inside(scope), text);
  Value value = make_text(runtime_.budget, std::move(text));
  if (node.filter != nullptr) value = evaluate(*node.filter, scope, &value);
  assign(*node.target, value, scope);
  return flow;
}

Evaluator::Flow Evaluator::run_node(const MacroStatement& node,
                                    const ScopePtr& scope,
                                    std::string&) {
  scope->set(runtime_.budget, node.macro->name, make_macro(node.macro, scope));
  return Flow::kOn;
}

Value Evaluator::make_macro(const std::shared_ptr<const MacroSyntax>& macro,
                            const ScopePtr& around) {
  runtime_.empty_at_end(around);  // it may hold the macro, which holds it
  return make_object<Macro>(runtime_.budget, *this, macro, around);
}

Evaluator::Flow Evaluator::run_node(const CallBlock& node,
                                    const ScopePtr& scope,
                                    std::string& out) {
  const Value callee = evaluate(*node.call->children[0], scope);
  Arguments arguments = evaluate_arguments(node.call->call, scope);
  arguments.named.emplace_back("caller", make_macro(node.caller, scope));
  write(to_text(runtime_.budget, runtime_.call(callee, std::move(arguments))), out);
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run_node(const FilterBlock& node,
                                    const ScopePtr& scope,
                                    std::string& out) {
  std::string text;
  const Flow flow = run(node.body, inside(scope), text);
  const Value rendered = make_text(runtime_.budget, std::move(text));
  write(to_text(runtime_.budget, evaluate(*node.filter, scope, &rendered)), out);
  return flow;
}

Evaluator::Flow Evaluator::run_node(const With& node, const ScopePtr& scope, std::string& out) {
  const ScopePtr inner = inside(scope);
  for (const auto& [target, value] : node.assignments) {
    assign(*target, evaluate(*value, scope), inner);
  }
  return run(node.body, inner, out);
}

Evaluator::Flow Evaluator::run_node(const Generation& node,
                                    const ScopePtr& scope,
                                    std::string& out) {
  return run(node.body, inside(scope), out);
}

Evaluator::Flow Evaluator::run_node(const Break&, const ScopePtr&, std::string&) {
  return Flow::kBreak;
}

Evaluator::Flow Evaluator::run_node(const Continue&, const ScopePtr&, std::string&) {
  return Flow::kContinue;
}

Value Evaluator::call_macro(const MacroSyntax& macro, const ScopePtr& around, Arguments arguments) {
  const ScopePtr scope = inside(around);
  const auto values = bind(runtime_.budget, macro, arguments);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t before_defaults = macro.parameters.size() - macro.defaults.size();
    if (values[i]) {
      scope->set(runtime_.budget, macro.parameters[i], *values[i]);
    } else if (i >= before_defaults) {
      scope->set(runtime_.budget,
                 macro.parameters[i],
                 evaluate(*macro.defaults[i - before_defaults], scope));
    } else {
      scope->set(runtime_.budget,
                 macro.parameters[i],
                 make_undefined(runtime_.budget,
                                "parameter '" + macro.parameters[i] + "' was not provided"));
    }
  }
  if (macro.uses_caller &&
      scope->names.end() == std::find_if(scope->names.begin(),
                                         scope->names.end(),
                                         [](const auto& one) { return one.first == "caller"; })) {
    auto caller = arguments.take("caller");
    scope->set(runtime_.budget,
               "caller",
               caller ? *caller : make_undefined(runtime_.budget, "No caller defined"));
  }
  const std::string who = "macro '" + macro.name + "'";
  if (macro.uses_kwargs) {
    Dict rest;
    for (const auto& [name, value] : arguments.named) {
      rest.set(runtime_.budget, copy_text(runtime_.budget, name), value);
    }
    scope->set(runtime_.budget, "kwargs", make_dict(runtime_.budget, std::move(rest)));
  } else if (!arguments.named.empty()) {
    throw RenderError(who + " takes no keyword argument '" + shortened(arguments.named[0].first) +
                      "'");
  }
  const std::size_t taken = std::min(macro.parameters.size(), arguments.positional.size());
  Items rest(arguments.positional.begin() + static_cast<std::ptrdiff_t>(taken),
             arguments.positional.end());
  if (macro.uses_varargs) {
    scope->set(runtime_.budget, "varargs", make_tuple(runtime_.budget, std::move(rest)));
  } else if (!rest.empty()) {
    throw RenderError(who + " takes not more than " + std::to_string(macro.parameters.size()) +
                      " argument(s)");
  }
  std::string text;
  run(macro.body, scope, text);
  return make_text(runtime_.budget, std::move(text));
}

void Evaluator::assign(const Expression& target, const Value& value, const ScopePtr& scope) {
  if (target.kind == ExpressionKind::kName) return scope->set(runtime_.budget, target.name, value);
  Budget& budget = runtime_.budget;
  if (target.kind == ExpressionKind::kNamespaceRef) {
    const Value object = evaluate_name(target.name, scope);
    auto* space = dynamic_cast<Namespace*>(object.as_object());
    if (space == nullptr) throw RenderError("cannot assign attribute on non-namespace object");
    return space->set(budget, copy_text(budget, target.attribute), value);
  }
  const ItemView items(budget, value);
  if (items.size() != target.children.size()) {
    throw RenderError("expected " + std::to_string(target.children.size()) +
                      " values to unpack, got " + std::to_string(items.size()));
  }
  for (std::size_t i = 0; i < items.size(); ++i) assign(*target.children[i], items[i], scope);
}

}  // namespace troupe::jinja
