#include <algorithm>

#include "jinja/limits.hpp"
#include "jinja/parser.hpp"

namespace troupe::jinja {
namespace {

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end of the template";
    case TokenKind::kData:
      return "text";
    case TokenKind::kBlockBegin:
      return "'{%'";
    case TokenKind::kBlockEnd:
      return "'%}'";
    case TokenKind::kVariableBegin:
      return "'{{'";
    case TokenKind::kVariableEnd:
      return "'}}'";
    case TokenKind::kName:
    case TokenKind::kString:
    case TokenKind::kInteger:
    case TokenKind::kFloat:
    case TokenKind::kOperator:
      break;
  }
  return "'" + token.text + "'";
}

}  // namespace

Parser::Nesting::Nesting(Parser& parser) : parser_(parser) {
  if (++parser.depth_ > kSyntaxDepthMax) {
    --parser.depth_;
    parser.fail("more than " + std::to_string(kSyntaxDepthMax) +
                " expressions or blocks within one another: split them with {% set %}");
  }
}

const Token& Parser::ahead() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }

const Token& Parser::take() {
  const Token& token = current();
  if (position_ + 1 < tokens_.size()) ++position_;
  return token;
}

bool Parser::is_name(std::string_view name) const {
  return current().kind == TokenKind::kName && current().text == name;
}

bool Parser::is_operator(std::string_view text) const {
  return current().kind == TokenKind::kOperator && current().text == text;
}

bool Parser::skip_name(std::string_view name) {
  const bool found = is_name(name);
  if (found) take();
  return found;
}

bool Parser::skip_operator(std::string_view text) {
  const bool found = is_operator(text);
  if (found) take();
  return found;
}

std::string Parser::expect_name() {
  if (current().kind != TokenKind::kName) fail("expected a name, found " + describe(current()));
  return take().text;
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) {
    fail("expected '" + std::string(name) + "', found " + describe(current()));
  }
}

void Parser::expect_operator(std::string_view text) {
  if (!skip_operator(text)) {
    fail("expected '" + std::string(text) + "', found " + describe(current()));
  }
}

void Parser::expect(TokenKind kind, std::string_view what) {
  if (current().kind != kind) {
    fail("expected " + std::string(what) + ", found " + describe(current()));
  }
  take();
}

void Parser::fail(const std::string& what) const { fail_syntax(current().line, what); }

void Parser::fail_token() const { fail("unexpected " + describe(current())); }

Parser::Made Parser::make(ExpressionKind kind) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = current().line;
  return node;
}

Parser::Made Parser::make(ExpressionKind kind, Made first, Made second) const {
  Made node = make(kind);
  node->line = first->line;
  node->children.push_back(std::move(first));
  if (second != nullptr) node->children.push_back(std::move(second));
  return finish(std::move(node));
}

Parser::Made Parser::finish(Made node) const {
  std::size_t depth = 0;
  const auto look = [&depth](const ExpressionPtr& child) {
    if (child != nullptr) depth = std::max(depth, child->depth);
  };
  for (const ExpressionPtr& child : node->children) look(child);
  for (const ExpressionPtr& argument : node->call.positional) look(argument);
  for (const auto& argument : node->call.named) look(argument.second);
  look(node->call.star);
  look(node->call.double_star);
  node->depth = depth + 1;
  if (node->depth > kSyntaxDepthMax) {
    fail("an expression of more than " + std::to_string(kSyntaxDepthMax) +
         " parts within one another: split it with {% set %}");
  }
  return node;
}

}  // namespace troupe::jinja
