#include <charconv>
#include <cstdlib>

#include "jinja/parser.hpp"

namespace troupe::jinja {

bool Parser::ends_tuple(std::string_view end) const {
  return current().kind == TokenKind::kVariableEnd || current().kind == TokenKind::kBlockEnd ||
         is_operator(")") || (!end.empty() && is_name(end));
}

Parser::Made Parser::parse_tuple(bool with_condition, std::string_view end, bool in_parentheses) {
  Made tuple = make(ExpressionKind::kTuple);
  bool is_tuple = false;
  while (!ends_tuple(end)) {
    tuple->children.push_back(parse_expression(with_condition));
    if (!is_operator(",")) break;
    take();
    is_tuple = true;
  }
  if (!is_tuple && !tuple->children.empty()) {
    // Still our own, and not yet shared: only the type of the list says const.
    return Made(const_cast<Expression*>(tuple->children[0].release()));
  }
  if (!is_tuple && !in_parentheses) fail("expected an expression here");
  return finish(std::move(tuple));
}

Parser::Made Parser::parse_simple_tuple(bool may_be_namespace, std::string_view end) {
  Made tuple = make(ExpressionKind::kTuple);
  while (!ends_tuple(end)) {
    Made one = parse_primary(may_be_namespace);
    if (!is_operator(",") && tuple->children.empty()) return one;
    tuple->children.push_back(std::move(one));
    if (!skip_operator(",")) break;
  }
  if (tuple->children.empty()) fail("expected a name to assign to");
  return finish(std::move(tuple));
}

Parser::Made Parser::parse_expression(bool with_condition) {
  const Nesting nesting(*this);
  return with_condition ? parse_conditional() : parse_or();
}

Parser::Made Parser::parse_conditional() {
  const std::size_t unknown = unknown_.size();
  Made value = parse_or();
  while (skip_name("if")) {
    Made node = make(ExpressionKind::kConditional);
    node->children.push_back(parse_or());
    node->children.push_back(std::move(value));
    Made otherwise;
    if (skip_name("else")) {
      const Nesting nesting(*this);
      otherwise = parse_conditional();
    }
    node->children.push_back(std::move(otherwise));
    value = finish(std::move(node));
    unknown_.resize(unknown);  // the condition guards all three
  }
  return value;
}

Parser::Made Parser::parse_or() {
  Made left = parse_and();
  while (skip_name("or")) left = make(ExpressionKind::kOr, std::move(left), parse_and());
  return left;
}

Parser::Made Parser::parse_and() {
  Made left = parse_not();
  while (skip_name("and")) left = make(ExpressionKind::kAnd, std::move(left), parse_not());
  return left;
}

Parser::Made Parser::parse_not() {
  if (!skip_name("not")) return parse_compare();
  const Nesting nesting(*this);
  return make(ExpressionKind::kNot, parse_not());
}

std::optional<Comparison> Parser::take_comparison() {
  constexpr std::pair<std::string_view, Comparison> kOperators[] = {{"==", Comparison::kEq},
                                                                    {"!=", Comparison::kNe},
                                                                    {"<", Comparison::kLt},
                                                                    {"<=", Comparison::kLe},
                                                                    {">", Comparison::kGt},
                                                                    {">=", Comparison::kGe}};
  for (const auto& [text, comparison] : kOperators) {
    if (skip_operator(text)) return comparison;
  }
  if (skip_name("in")) return Comparison::kIn;
  if (is_name("not") && ahead().kind == TokenKind::kName && ahead().text == "in") {
    take();
    take();
    return Comparison::kNotIn;
  }
  return std::nullopt;
}

Parser::Made Parser::parse_compare() {
  Made first = parse_sum();
  Made node;
  while (const auto comparison = take_comparison()) {
    if (node == nullptr) {
      node = make(ExpressionKind::kCompare);
      node->children.push_back(std::move(first));
    }
    node->comparisons.push_back(*comparison);
    node->children.push_back(parse_sum());
  }
  return node == nullptr ? std::move(first) : finish(std::move(node));
}

Parser::Made Parser::parse_sum() {
  Made left = parse_concat();
  while (is_operator("+") || is_operator("-")) {
    const bool adds = take().text == "+";
    left = make(ExpressionKind::kBinary, std::move(left), parse_concat());
    left->binary = adds ? BinaryOperator::kAdd : BinaryOperator::kSubtract;
  }
  return left;
}

Parser::Made Parser::parse_concat() {
  Made first = parse_product();
  if (!is_operator("~")) return first;
  Made node = make(ExpressionKind::kConcat);
  node->children.push_back(std::move(first));
  while (skip_operator("~")) node->children.push_back(parse_product());
  return finish(std::move(node));
}

Parser::Made Parser::parse_product() {
  Made left = parse_power();
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    const std::string text = take().text;
    left = make(ExpressionKind::kBinary, std::move(left), parse_power());
    left->binary = text == "*"    ? BinaryOperator::kMultiply
                   : text == "/"  ? BinaryOperator::kDivide
                   : text == "//" ? BinaryOperator::kFloor
                                  : BinaryOperator::kModulo;
  }
  return left;
}

Parser::Made Parser::parse_power() {
  Made left = parse_unary(true);
  while (skip_operator("**")) {
    left = make(ExpressionKind::kBinary, std::move(left), parse_unary(true));
    left->binary = BinaryOperator::kPower;
  }
  return left;
}

Parser::Made Parser::parse_unary(bool with_filter) {
  Made node;
  if (is_operator("-") || is_operator("+")) {
    const Nesting nesting(*this);
    const ExpressionKind kind =
        take().text == "-" ? ExpressionKind::kNegate : ExpressionKind::kPlus;
    node = make(kind, parse_unary(false));
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filters_and_tests(std::move(node)) : std::move(node);
}

Parser::Made Parser::parse_primary(bool may_be_namespace) {
  const Nesting nesting(*this);
  if (current().kind == TokenKind::kName) return parse_name(may_be_namespace);
  if (current().kind == TokenKind::kString) {
    Made node = make(ExpressionKind::kConstant);
    std::string text;
    while (current().kind == TokenKind::kString) text += take().text;
    node->constant = Value::text(std::move(text));
    return node;
  }
  if (current().kind == TokenKind::kInteger || current().kind == TokenKind::kFloat) {
    return parse_number();
  }
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  if (!skip_operator("(")) fail_token();
  Made node = parse_tuple(true, {}, true);
  expect_operator(")");
  return node;
}

Parser::Made Parser::parse_name(bool may_be_namespace) {
  Made node = make(ExpressionKind::kConstant);
  const std::string& name = take().text;
  if (name == "none" || name == "None") return node;
  if (name == "true" || name == "True" || name == "false" || name == "False") {
    node->constant = name == "true" || name == "True";
    return node;
  }
  node->kind = ExpressionKind::kName;
  node->name = name;
  if (may_be_namespace && skip_operator(".")) {
    node->kind = ExpressionKind::kNamespaceRef;
    node->attribute = expect_name();
  }
  for (MacroSyntax* macro : macros_) {
    macro->uses_caller = macro->uses_caller || name == "caller";
    macro->uses_varargs = macro->uses_varargs || name == "varargs";
    macro->uses_kwargs = macro->uses_kwargs || name == "kwargs";
  }
  return node;
}

Parser::Made Parser::parse_number() {
  Made node = make(ExpressionKind::kConstant);
  const Token token = take();
  const char* begin = token.text.data();
  const char* end = begin + token.text.size();
  if (token.kind == TokenKind::kFloat) {
    node->constant = std::strtod(begin, nullptr);
    return node;
  }
  int base = 10;
  if (token.text.size() > 2 && token.text[0] == '0') {
    const char letter = static_cast<char>(token.text[1] | 0x20);
    base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    if (base != 10) begin += 2;
  }
  std::int64_t number = 0;
  const auto result = std::from_chars(begin, end, number, base);
  if (result.ec != std::errc{} || result.ptr != end) fail("an integer needs more than 64 bits");
  node->constant = number;
  return node;
}

Parser::Made Parser::parse_list() {
  Made node = make(ExpressionKind::kList);
  expect_operator("[");
  while (!is_operator("]")) {
    if (!node->children.empty()) expect_operator(",");
    if (is_operator("]")) break;
    node->children.push_back(parse_expression());
  }
  expect_operator("]");
  return finish(std::move(node));
}

Parser::Made Parser::parse_dict() {
  Made node = make(ExpressionKind::kDict);
  expect_operator("{");
  while (!is_operator("}")) {
    if (!node->children.empty()) expect_operator(",");
    if (is_operator("}")) break;
    node->children.push_back(parse_expression());
    expect_operator(":");
    node->children.push_back(parse_expression());
  }
  expect_operator("}");
  return finish(std::move(node));
}

}  // namespace troupe::jinja
