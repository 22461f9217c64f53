// From tokens to the syntax tree, with the grammar of jinja2 3.1.6 (parser.py there).
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/lexer.hpp"
#include "jinja/syntax.hpp"

namespace troupe::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  // Throws SyntaxError.
  Block parse();

 private:
  using Names = std::initializer_list<std::string_view>;
  using Made = std::unique_ptr<Expression>;

  // Tokens.
  const Token& current() const { return tokens_[position_]; }

  const Token& ahead() const;
  const Token& take();
  bool is_name(std::string_view name) const;
  bool is_operator(std::string_view text) const;
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view text);
  std::string expect_name();
  void expect_name(std::string_view name);
  void expect_operator(std::string_view text);
  void expect(TokenKind kind, std::string_view what);
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void fail_token() const;

  // Statements (parser.cpp).
  Block parse_block_until(Names ends);
  void parse_statements_into(Block& block, Names ends);
  Block parse_body(Names ends);
  Statement parse_statement();
  If parse_if();
  For parse_for();
  Statement parse_set();
  Statement parse_macro();
  Statement parse_call_block();
  Statement parse_filter_block();
  With parse_with();
  Print parse_print();
  void parse_signature(MacroSyntax& macro);
  std::shared_ptr<const MacroSyntax> finish_macro(MacroSyntax macro, std::string_view end);
  ExpressionPtr parse_target(bool may_be_namespace, std::string_view end);

  // Expressions (parser_expression.cpp), the loosest binding first.
  Made parse_tuple(bool with_condition, std::string_view end = {}, bool in_parentheses = false);
  Made parse_simple_tuple(bool may_be_namespace, std::string_view end);
  bool ends_tuple(std::string_view end) const;
  Made parse_expression(bool with_condition = true);
  Made parse_conditional();
  Made parse_or();
  Made parse_and();
  Made parse_not();
  Made parse_compare();
  std::optional<Comparison> take_comparison();
  Made parse_sum();
  Made parse_concat();
  Made parse_product();
  Made parse_power();
  Made parse_unary(bool with_filter);
  Made parse_primary(bool may_be_namespace = false);
  Made parse_name(bool may_be_namespace);
  Made parse_number();
  Made parse_list();
  Made parse_dict();
  Made parse_postfix(Made node);
  Made parse_filters_and_tests(Made node);
  Made parse_subscript(Made node);
  Made parse_index();
  Made parse_filter(Made node);
  Made parse_test(Made node);
  Made parse_call(Made node);
  CallSyntax parse_arguments();
  void parse_argument(CallSyntax& call);

  Made make(ExpressionKind kind) const;
  Made make(ExpressionKind kind, Made first, Made second = nullptr) const;
  // Sets the depth from what `node` holds and checks it.
  Made finish(Made node) const;

  // Counts how deep the parser has called itself, for as long as it lives.
  class Nesting {
   public:
    explicit Nesting(Parser& parser);
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

    ~Nesting() { --parser_.depth_; }

   private:
    Parser& parser_;
  };

  std::vector<Token> tokens_;
  std::size_t position_ = 0;
  std::size_t depth_ = 0;
  std::size_t loops_ = 0;  // around this place, within the same macro
  // Filters and tests that there are not, with their lines: wrong when a template is compiled, but
  // for those that an `if` guards.
  std::vector<std::pair<int, std::string>> unknown_;
  bool is_guarded_ = false;
  std::vector<MacroSyntax*> macros_;  // around this place
};

}  // namespace troupe::jinja
