#include "jinja/builtins.hpp"
#include "jinja/parser.hpp"

namespace troupe::jinja {

Parser::Made Parser::parse_postfix(Made node) {
  while (true) {
    if (is_operator(".") || is_operator("[")) {
      node = parse_subscript(std::move(node));
    } else if (is_operator("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

Parser::Made Parser::parse_filters_and_tests(Made node) {
  while (true) {
    if (is_operator("|")) {
      take();
      node = parse_filter(std::move(node));
    } else if (is_name("is")) {
      node = parse_test(std::move(node));
    } else if (is_operator("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

Parser::Made Parser::parse_subscript(Made node) {
  if (skip_operator(".")) {
    if (current().kind == TokenKind::kInteger) {
      return make(ExpressionKind::kSubscript, std::move(node), parse_number());
    }
    Made attribute = make(ExpressionKind::kAttribute, std::move(node));
    attribute->name = expect_name();
    return attribute;
  }
  expect_operator("[");
  std::vector<Made> indices;
  while (!is_operator("]")) {
    if (!indices.empty()) expect_operator(",");
    indices.push_back(parse_index());
  }
  expect_operator("]");
  Made index;
  if (indices.size() == 1) {
    index = std::move(indices[0]);
    if (index->kind == ExpressionKind::kSlice) {
      index->children[0] = std::move(node);
      return finish(std::move(index));
    }
  } else {
    index = make(ExpressionKind::kTuple);
    for (Made& one : indices) {
      if (one->kind == ExpressionKind::kSlice) fail("only one slice may stand in brackets");
      index->children.push_back(std::move(one));
    }
    index = finish(std::move(index));
  }
  return make(ExpressionKind::kSubscript, std::move(node), std::move(index));
}

// An index, or a slice whose first child is still to be set.
Parser::Made Parser::parse_index() {
  Made first = is_operator(":") ? nullptr : parse_expression();
  if (first != nullptr && !is_operator(":")) return first;
  Made node = make(ExpressionKind::kSlice);
  node->children.push_back(nullptr);
  node->children.push_back(std::move(first));
  for (int i = 0; i < 2; ++i) {
    const bool has_part =
        skip_operator(":") && !is_operator(":") && !is_operator("]") && !is_operator(",");
    node->children.push_back(has_part ? parse_expression() : nullptr);
  }
  return node;
}

// Behind a bar, or behind the name of a block: one filter or several. A null `node` is what a block
// renders.
Parser::Made Parser::parse_filter(Made node) {
  skip_operator("|");
  while (true) {
    Made filter = make(ExpressionKind::kFilter);
    filter->name = expect_name();
    while (skip_operator(".")) filter->name += "." + expect_name();
    if (find_filter(filter->name) == nullptr && !is_guarded_) {
      unknown_.push_back({current().line, "there is no filter '" + filter->name + "'"});
    }
    filter->children.push_back(std::move(node));
    if (is_operator("(")) filter->call = parse_arguments();
    node = finish(std::move(filter));
    if (!skip_operator("|")) return node;
  }
}

Parser::Made Parser::parse_test(Made node) {
  take();  // is
  const bool is_negated = skip_name("not");
  Made test = make(ExpressionKind::kTest);
  test->name = expect_name();
  while (skip_operator(".")) test->name += "." + expect_name();
  if (find_test(test->name) == nullptr && !is_guarded_) {
    unknown_.push_back({current().line, "there is no test '" + test->name + "'"});
  }
  test->children.push_back(std::move(node));
  const bool begins_argument =
      current().kind == TokenKind::kName || current().kind == TokenKind::kString ||
      current().kind == TokenKind::kInteger || current().kind == TokenKind::kFloat ||
      is_operator("[") || is_operator("{");
  if (is_operator("(")) {
    test->call = parse_arguments();
  } else if (begins_argument && !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fail("a test cannot follow a test: join them with 'and'");
    test->call.positional.push_back(parse_postfix(parse_primary()));
  }
  test = finish(std::move(test));
  return is_negated ? make(ExpressionKind::kNot, std::move(test)) : std::move(test);
}

Parser::Made Parser::parse_call(Made node) {
  Made call = make(ExpressionKind::kCall);
  call->call = parse_arguments();
  call->children.push_back(std::move(node));
  return finish(std::move(call));
}

CallSyntax Parser::parse_arguments() {
  CallSyntax call;
  expect_operator("(");
  bool is_first = true;
  while (!is_operator(")")) {
    if (!is_first) expect_operator(",");
    if (!is_first && is_operator(")")) break;
    parse_argument(call);
    is_first = false;
  }
  expect_operator(")");
  return call;
}

void Parser::parse_argument(CallSyntax& call) {
  const bool is_starred = call.star != nullptr || call.double_star != nullptr;
  const auto ensure = [this](bool condition) {
    if (!condition) fail("the arguments of a call are in no valid order");
  };
  if (skip_operator("*")) {
    ensure(!is_starred);
    call.star = parse_expression();
  } else if (skip_operator("**")) {
    ensure(call.double_star == nullptr);
    call.double_star = parse_expression();
  } else if (current().kind == TokenKind::kName && ahead().kind == TokenKind::kOperator &&
             ahead().text == "=") {
    ensure(call.double_star == nullptr);
    std::string name = take().text;
    take();
    call.named.emplace_back(std::move(name), parse_expression());
  } else {
    ensure(!is_starred && call.named.empty());
    call.positional.push_back(parse_expression());
  }
}

}  // namespace troupe::jinja
