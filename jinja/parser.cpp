#include "jinja/parser.hpp"

#include <algorithm>
#include <array>

namespace troupe::jinja {
namespace {

// Restores a variable at the end of a scope.
template <typename T>
class Restored {
 public:
  Restored(T& variable, T value) : variable_(variable), old_(variable) { variable_ = value; }

  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;

  ~Restored() { variable_ = old_; }

 private:
  T& variable_;
  T old_;
};

bool needs_other_templates(std::string_view tag) {
  constexpr std::array kTags{"include", "extends", "import", "from", "block"};
  return std::ranges::find(kTags, tag) != kTags.end();
}

}  // namespace

Block Parser::parse() {
  Block block;
  parse_statements_into(block, {});
  if (!unknown_.empty()) fail_syntax(unknown_[0].first, unknown_[0].second);
  return block;
}

Block Parser::parse_block_until(Names ends) {
  Block block;
  parse_statements_into(block, ends);
  if (current().kind == TokenKind::kEnd) {
    fail("the template ends inside a block: close it with {% " + std::string(*(ends.end() - 1)) +
         " %}");
  }
  return block;
}

// Stops at the name of an end tag, behind its {%.
void Parser::parse_statements_into(Block& block, Names ends) {
  const Nesting nesting(*this);
  while (current().kind != TokenKind::kEnd) {
    const int line = current().line;
    if (current().kind == TokenKind::kData) {
      block.push_back({line, Data{take().text}});
    } else if (current().kind == TokenKind::kVariableBegin) {
      take();
      block.push_back({line, Print{parse_tuple(true)}});
      expect(TokenKind::kVariableEnd, "'}}'");
    } else {
      expect(TokenKind::kBlockBegin, "a tag");
      if (std::ranges::any_of(ends, [&](std::string_view end) { return is_name(end); })) return;
      block.push_back(parse_statement());
      expect(TokenKind::kBlockEnd, "'%}'");
    }
  }
}

// The rest of an opening tag, and statements up to the name of one of `ends`.
Block Parser::parse_body(Names ends) {
  skip_operator(":");
  expect(TokenKind::kBlockEnd, "'%}'");
  return parse_block_until(ends);
}

Statement Parser::parse_statement() {
  const int line = current().line;
  if (current().kind != TokenKind::kName) fail("a tag begins with its name");
  const std::string tag = current().text;
  if (tag == "set") return parse_set();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "filter") return parse_filter_block();
  if (tag == "if") return {line, parse_if()};
  if (tag == "for") return {line, parse_for()};
  if (tag == "with") return {line, parse_with()};
  if (tag == "print") return {line, parse_print()};
  take();
  if (tag == "generation") {
    const Restored guarded(is_guarded_, false);
    const Restored loops(loops_, std::size_t{0});
    Generation generation{parse_body({"endgeneration"})};
    take();
    return {line, std::move(generation)};
  }
  if (tag == "break" || tag == "continue") {
    if (loops_ == 0) fail("'" + tag + "' stands outside of a loop");
    if (tag == "break") return {line, Break{}};
    return {line, Continue{}};
  }
  if (needs_other_templates(tag)) {
    fail("'" + tag + "' needs other templates, which a chat template has not: write it out");
  }
  fail("'" + tag + "' is no tag that belongs here: see which block is open");
}

If Parser::parse_if() {
  If node;
  const Restored guarded(is_guarded_, true);
  while (true) {
    take();  // if, elif
    ExpressionPtr test = parse_tuple(false);
    Block body = parse_body({"elif", "else", "endif"});
    node.branches.emplace_back(std::move(test), std::move(body));
    if (!is_name("elif")) break;
  }
  if (take().text == "else") {
    node.otherwise = parse_body({"endif"});
    take();
  }
  return node;
}

For Parser::parse_for() {
  For node;
  take();
  node.target = parse_target(false, "in");
  expect_name("in");
  node.iterable = parse_tuple(false, "recursive");
  const Restored guarded(is_guarded_, false);
  if (skip_name("if")) node.condition = parse_expression();
  node.is_recursive = skip_name("recursive");
  ++loops_;
  node.body = parse_body({"endfor", "else"});
  --loops_;
  if (take().text == "else") {
    node.otherwise = parse_body({"endfor"});
    take();
  }
  return node;
}

Statement Parser::parse_set() {
  const int line = take().line;
  ExpressionPtr target = parse_target(true, {});
  if (skip_operator("=")) return {line, Set{std::move(target), parse_tuple(true)}};
  SetBlock node{.target = std::move(target)};
  if (is_operator("|")) node.filter = parse_filter(nullptr);
  const Restored guarded(is_guarded_, false);
  node.body = parse_body({"endset"});
  take();
  return {line, std::move(node)};
}

void Parser::parse_signature(MacroSyntax& macro) {
  expect_operator("(");
  while (!is_operator(")")) {
    if (!macro.parameters.empty()) expect_operator(",");
    macro.parameters.push_back(expect_name());
    if (skip_operator("=")) {
      macro.defaults.push_back(parse_expression());
    } else if (!macro.defaults.empty()) {
      fail("a parameter without default follows one with: give it one");
    }
  }
  expect_operator(")");
}

// The body up to its end tag; all that it holds is a function of its own.
std::shared_ptr<const MacroSyntax> Parser::finish_macro(MacroSyntax macro, std::string_view end) {
  const Restored guarded(is_guarded_, false);
  const Restored loops(loops_, std::size_t{0});
  macros_.push_back(&macro);
  macro.body = parse_body({end});
  macros_.pop_back();
  take();
  return std::make_shared<const MacroSyntax>(std::move(macro));
}

Statement Parser::parse_macro() {
  const int line = take().line;
  MacroSyntax macro{.name = expect_name()};
  parse_signature(macro);
  return {line, MacroStatement{finish_macro(std::move(macro), "endmacro")}};
}

Statement Parser::parse_call_block() {
  const int line = take().line;
  MacroSyntax caller{.name = "caller"};
  if (is_operator("(")) parse_signature(caller);
  ExpressionPtr call = parse_expression();
  if (call->kind != ExpressionKind::kCall) fail("a call block needs a call, as in {% call f() %}");
  return {line, CallBlock{std::move(call), finish_macro(std::move(caller), "endcall")}};
}

Statement Parser::parse_filter_block() {
  const int line = take().line;
  // As behind a bar: `filter upper` reads like `| upper`.
  FilterBlock node{.filter = parse_filter(nullptr)};
  const Restored guarded(is_guarded_, false);
  node.body = parse_body({"endfilter"});
  take();
  return {line, std::move(node)};
}

With Parser::parse_with() {
  With node;
  take();
  while (current().kind != TokenKind::kBlockEnd) {
    if (!node.assignments.empty()) expect_operator(",");
    ExpressionPtr target = parse_target(false, {});
    expect_operator("=");
    node.assignments.emplace_back(std::move(target), parse_expression());
  }
  const Restored guarded(is_guarded_, false);
  node.body = parse_body({"endwith"});
  take();
  return node;
}

Print Parser::parse_print() {
  take();
  Made all = make(ExpressionKind::kConcat);
  while (current().kind != TokenKind::kBlockEnd) {
    if (!all->children.empty()) expect_operator(",");
    all->children.push_back(parse_expression());
  }
  return {finish(std::move(all))};
}

ExpressionPtr Parser::parse_target(bool may_be_namespace, std::string_view end) {
  Made target = parse_simple_tuple(may_be_namespace, end);
  const auto is_target = [](const Expression& node) {
    return node.kind == ExpressionKind::kName || node.kind == ExpressionKind::kNamespaceRef;
  };
  // Tuples in tuples are fine, but for namespaces in them.
  const auto check = [&](const auto& self, const Expression& node) -> bool {
    if (node.kind == ExpressionKind::kTuple || node.kind == ExpressionKind::kList) {
      return std::ranges::all_of(node.children, [&](const auto& one) { return self(self, *one); });
    }
    return is_target(node);
  };
  if (!check(check, *target)) fail("this cannot be assigned to: give a name");
  return target;
}

}  // namespace troupe::jinja
