// The tokens of a template, as the lexer of jinja2 makes them with trim_blocks and lstrip_blocks:
// white space around tags is settled here. Source: jinja2 3.1.6, lexer.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::jinja {

enum class TokenKind : std::uint8_t {
  kData,  // text outside of tags
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kString,  // its escapes resolved
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  int line = 1;
};

// Ends with a token kEnd. Throws SyntaxError.
std::vector<Token> tokenize(std::string_view source);

[[noreturn]] void fail_syntax(int line, const std::string& what);

}  // namespace troupe::jinja
