#include "jinja/lexer.hpp"

#include <algorithm>

#include "jinja/error.hpp"
#include "jinja/string_literal.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || byte == '_' || is_digit(c) || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z');
}

// Ends of line as \n, and without the one at the end.
std::string normalized(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)) {}

  std::vector<Token> run() {
    while (position_ < source_.size()) read_root();
    push(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(position_); }

  bool at(std::string_view text) const { return rest().starts_with(text); }

  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  void advance(std::size_t bytes) {
    const auto begin = source_.begin() + static_cast<std::ptrdiff_t>(position_);
    line_ += static_cast<int>(std::count(begin, begin + static_cast<std::ptrdiff_t>(bytes), '\n'));
    position_ += bytes;
    starts_line_ = bytes > 0 && source_[position_ - 1] == '\n';
  }

  void skip_space() { advance(rest().size() - unicode::strip_left(rest()).size()); }

  // The next {{, {% or {#.
  static std::size_t find_tag(std::string_view text) {
    for (std::size_t i = text.find('{'); i != std::string_view::npos; i = text.find('{', i + 1)) {
      const char second = i + 1 < text.size() ? text[i + 1] : '\0';
      if (second == '{' || second == '%' || second == '#') return i;
    }
    return std::string_view::npos;
  }

  // What stays of the text before a tag.
  std::string_view before_tag(std::string_view text, char sign, bool is_variable) const {
    if (sign == '-') return unicode::strip_right(text);
    if (sign == '+' || is_variable) return text;
    const std::size_t newline = text.rfind('\n');
    const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    const bool is_blank = line < text.size() && unicode::strip_left(text.substr(line)).empty();
    return (line > 0 || starts_line_) && is_blank ? text.substr(0, line) : text;
  }

  void push_data(std::string_view text) {
    if (!text.empty()) push(TokenKind::kData, std::string(text));
  }

  void read_root() {
    const std::size_t tag = find_tag(rest());
    if (tag == std::string_view::npos) {
      push_data(rest());
      return advance(rest().size());
    }
    const char kind = source_[position_ + tag + 1];
    const char after = position_ + tag + 2 < source_.size() ? source_[position_ + tag + 2] : '\0';
    const bool has_sign = after == '-' || after == '+';
    push_data(before_tag(rest().substr(0, tag), has_sign ? after : '\0', kind == '{'));
    advance(tag + (has_sign ? 3 : 2));
    if (kind == '#') return skip_comment();
    if (kind == '%' && skip_raw_begin()) return read_raw();
    read_tag(kind == '%');
  }

  void skip_comment() {
    const std::size_t end = rest().find("#}");
    if (end == std::string_view::npos) fail_syntax(line_, "a comment does not end: write #}");
    const char sign = end == 0 ? '\0' : rest()[end - 1];
    advance(end + 2);
    finish_tag(sign);
  }

  // Behind the end of a block or comment.
  void finish_tag(char sign) {
    if (sign == '-') return skip_space();
    if (sign != '+' && at("\n")) advance(1);
  }

  // Behind {%: the rest of a raw tag, when it is one.
  bool skip_raw_begin() {
    std::string_view text = unicode::strip_left(rest());
    if (!text.starts_with("raw")) return false;
    text = unicode::strip_left(text.substr(3));
    const bool strips = text.starts_with("-%}");
    if (!strips && !text.starts_with("%}")) return false;
    advance(rest().size() - text.size() + (strips ? 3 : 2));
    if (strips) skip_space();
    return true;
  }

  void read_raw() {
    for (std::size_t begin = rest().find("{%"); begin != std::string_view::npos;
         begin = rest().find("{%", begin + 1)) {
      std::string_view text = rest().substr(begin + 2);
      const char sign = text.empty() ? '\0' : text[0];
      if (sign == '-' || sign == '+') text.remove_prefix(1);
      text = unicode::strip_left(text);
      if (!text.starts_with("endraw")) continue;
      text = unicode::strip_left(text.substr(6));
      const char end_sign = text.empty() ? '\0' : text[0];
      if (end_sign == '-' || end_sign == '+') text.remove_prefix(1);
      if (!text.starts_with("%}")) continue;
      push_data(before_tag(rest().substr(0, begin), sign, false));
      advance(rest().size() - text.size() + 2);
      return finish_tag(end_sign);
    }
    fail_syntax(line_, "a raw block does not end: write {% endraw %}");
  }

  void read_tag(bool is_block) {
    push(is_block ? TokenKind::kBlockBegin : TokenKind::kVariableBegin, "");
    brackets_.clear();
    while (!read_tag_end(is_block)) {
      skip_space();
      if (position_ >= source_.size()) fail_syntax(line_, "a tag does not end: close it");
      if (read_tag_end(is_block)) return;
      read_token();
    }
  }

  bool read_tag_end(bool is_block) {
    if (!brackets_.empty()) return false;
    const std::string_view end = is_block ? "%}" : "}}";
    const char sign = position_ < source_.size() ? source_[position_] : '\0';
    const bool has_sign = sign == '-' || (sign == '+' && is_block);
    if (!rest().substr(has_sign ? 1 : 0).starts_with(end)) return false;
    push(is_block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, "");
    advance(has_sign ? 3 : 2);
    if (is_block) {
      finish_tag(has_sign ? sign : '\0');
    } else if (has_sign) {
      skip_space();
    }
    return true;
  }

  void read_token() {
    const char first = source_[position_];
    if (is_digit(first)) return read_number();
    if (is_name_byte(first)) {
      std::size_t size = 1;
      while (size < rest().size() && is_name_byte(rest()[size])) ++size;
      push(TokenKind::kName, std::string(rest().substr(0, size)));
      return advance(size);
    }
    if (first == '\'' || first == '"') return read_string(first);
    read_operator();
  }

  void read_string(char quote) {
    std::size_t end = 1;
    while (end < rest().size() && rest()[end] != quote) end += rest()[end] == '\\' ? 2U : 1U;
    if (end >= rest().size()) fail_syntax(line_, "a string does not end: close its quote");
    push(TokenKind::kString, unescape_literal(rest().substr(1, end - 1), line_));
    advance(end + 1);
  }

  // How many digits, with single underscores between them, start at `from`.
  std::size_t digits(std::size_t from) const {
    std::size_t end = from;
    while (end < rest().size() &&
           (is_digit(rest()[end]) || (end > from && rest()[end] == '_' && end + 1 < rest().size() &&
                                      is_digit(rest()[end + 1])))) {
      ++end;
    }
    return end - from;
  }

  void read_number() {
    std::size_t size = digits(0);
    bool is_float = false;
    // A digit behind a dot is an index: a.0.1
    const bool after_dot = position_ > 0 && source_[position_ - 1] == '.';
    if (!after_dot && size < rest().size() && rest()[size] == '.' && digits(size + 1) > 0) {
      size += 1 + digits(size + 1);
      is_float = true;
    }
    if (!after_dot && size < rest().size() && (rest()[size] == 'e' || rest()[size] == 'E')) {
      const bool sign =
          size + 1 < rest().size() && (rest()[size + 1] == '+' || rest()[size + 1] == '-');
      const std::size_t exponent = digits(size + (sign ? 2U : 1U));
      if (exponent > 0) {
        size += (sign ? 2U : 1U) + exponent;
        is_float = true;
      }
    }
    if (!is_float && size == 1 && rest()[0] == '0' && rest().size() > 2) size = based_digits();
    std::string text(rest().substr(0, size));
    std::erase(text, '_');
    push(is_float ? TokenKind::kFloat : TokenKind::kInteger, std::move(text));
    advance(size);
  }

  // Of 0x1F, 0o17, 0b11; 1 for a plain zero.
  std::size_t based_digits() const {
    const char letter = static_cast<char>(rest()[1] | 0x20);
    const std::string_view allowed = letter == 'x'   ? "0123456789abcdefABCDEF_"
                                     : letter == 'o' ? "01234567_"
                                     : letter == 'b' ? "01_"
                                                     : "";
    const std::size_t end = std::min(rest().find_first_not_of(allowed, 2), rest().size());
    return allowed.empty() || end == 2 ? 1 : end;
  }

  void read_operator() {
    constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                               "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                               ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    for (const std::string_view one : kOperators) {
      if (!at(one)) continue;
      balance(one[0]);
      push(TokenKind::kOperator, std::string(one));
      return advance(one.size());
    }
    fail_syntax(line_, "unexpected character '" + std::string(1, source_[position_]) + "'");
  }

  void balance(char bracket) {
    constexpr std::string_view kOpening = "([{";
    constexpr std::string_view kClosing = ")]}";
    const std::size_t opened = kOpening.find(bracket);
    if (opened != std::string_view::npos) brackets_ += kClosing[opened];
    if (kClosing.find(bracket) == std::string_view::npos) return;
    if (brackets_.empty() || brackets_.back() != bracket) {
      fail_syntax(line_, std::string("unexpected '") + bracket + "'");
    }
    brackets_.pop_back();
  }

  std::string source_;
  std::size_t position_ = 0;
  int line_ = 1;
  bool starts_line_ = true;
  std::string brackets_;  // the closing ones awaited
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

void fail_syntax(int line, const std::string& what) {
  throw SyntaxError("line " + std::to_string(line) + ": " + what);
}

}  // namespace troupe::jinja
