#include "model/chat_template.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "config/user_error.hpp"
#include "model/gguf.hpp"

namespace troupe::model {
namespace {

constexpr std::string_view kTurnBegin = "<|im_start|>";
constexpr std::string_view kTurnEnd = "<|im_end|>";
constexpr std::string_view kSystemBegin = "<|im_start|>system\n";
constexpr std::string_view kAssistantBegin = "<|im_start|>assistant\n";

// What an escape in a Jinja string literal stands for; other characters stand for themselves.
char unescaped(char character) {
  switch (character) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    default:
      return character;
  }
}

// The constant texts of a Jinja template in order: string literals inside {{ }} and {% %}, and what
// stands outside. Grammar: jinja.palletsprojects.com/en/stable/templates
class ConstantTexts {
 public:
  static std::vector<std::string> of(std::string_view source) {
    ConstantTexts reader(source);
    while (!reader.rest_.empty()) reader.step();
    reader.finish_outside();
    return std::move(reader.texts_);
  }

 private:
  explicit ConstantTexts(std::string_view source) : rest_(source) {}

  void step() {
    if (rest_.starts_with("{#")) {
      finish_outside();
      const std::size_t end = rest_.find("#}");
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 2);
    } else if (rest_.starts_with("{{") || rest_.starts_with("{%")) {
      finish_outside();
      const std::string_view close = rest_[1] == '{' ? "}}" : "%}";
      rest_.remove_prefix(2);
      read_inside(close);
    } else {
      outside_ += rest_[0];
      rest_.remove_prefix(1);
    }
  }

  void read_inside(std::string_view close) {
    while (!rest_.empty() && !rest_.starts_with(close)) {
      const char first = rest_[0];
      rest_.remove_prefix(1);
      if (first == '\'' || first == '"') read_literal(first);
    }
    rest_.remove_prefix(std::min(close.size(), rest_.size()));
  }

  void read_literal(char quote) {
    std::string text;
    while (!rest_.empty() && rest_[0] != quote) {
      const bool escape = rest_[0] == '\\' && rest_.size() > 1;
      text += escape ? unescaped(rest_[1]) : rest_[0];
      rest_.remove_prefix(escape ? 2 : 1);
    }
    rest_.remove_prefix(std::min<std::size_t>(1, rest_.size()));
    texts_.push_back(std::move(text));
  }

  void finish_outside() {
    if (!outside_.empty()) texts_.push_back(std::move(outside_));
    outside_.clear();
  }

  std::string_view rest_;
  std::string outside_;
  std::vector<std::string> texts_;
};

bool any_contains(const std::vector<std::string>& texts, std::string_view wanted) {
  for (const std::string& text : texts) {
    if (text.find(wanted) != std::string::npos) return true;
  }
  return false;
}

// The text of a whole system turn that the template holds ready; empty when it has none.
std::string find_default_system(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    const std::size_t begin = text.find(kSystemBegin);
    if (begin == std::string::npos) continue;
    const std::size_t content = begin + kSystemBegin.size();
    const std::size_t end = text.find(kTurnEnd, content);
    if (end != std::string::npos) return text.substr(content, end - content);
  }
  return {};
}

void append_turn(std::string_view role, std::string_view content, std::string& text) {
  text.append(kTurnBegin).append(role).append("\n").append(content).append(kTurnEnd).append("\n");
}

bool is_known(std::string_view role) {
  return role == "system" || role == "user" || role == "assistant";
}

}  // namespace

ChatTemplate::ChatTemplate(const GgufFile& file) {
  const auto source = file.find_string("tokenizer.chat_template");
  if (!source) {
    throw config::UserError(
        file.name() +
        ": metadata 'tokenizer.chat_template' is missing: use this model for completions "
        "only, or give an instruct model");
  }
  const std::vector<std::string> texts = ConstantTexts::of(*source);
  if (!any_contains(texts, kTurnBegin) || !any_contains(texts, kTurnEnd)) {
    throw config::UserError(
        file.name() +
        ": metadata 'tokenizer.chat_template' is not ChatML (<|im_start|>role … "
        "<|im_end|>), the only format supported: give a model that uses ChatML");
  }
  default_system_ = find_default_system(texts);
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages) const {
  if (messages.empty()) throw std::invalid_argument("a conversation has at least one message");
  std::string text;
  if (messages[0].role != "system" && !default_system_.empty())
    append_turn("system", default_system_, text);
  for (const ChatMessage& message : messages) {
    if (!is_known(message.role)) {
      throw std::invalid_argument("a message's role is system, user or assistant");
    }
    append_turn(message.role, message.content, text);
  }
  return text.append(kAssistantBegin);
}

}  // namespace troupe::model
