// Turns a conversation into the prompt text that a model was trained on.
#pragma once

#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/limits.hpp"
#include "jinja/template.hpp"

namespace troupe::model {

class ModelFile;

struct ChatMessage {
  std::string role;
  std::string content;

  bool operator==(const ChatMessage&) const = default;
};

// The model's own Jinja template, as transformers renders it (docs/decisions/0018).
class ChatTemplate {
 public:
  static constexpr std::size_t kSourceBytesMax = jinja::kSourceBytesMax;

  // Of the file's metadata: `tokenizer.chat_template`. Throws config::UserError when there is none
  // or it cannot be compiled.
  explicit ChatTemplate(const ModelFile& file);
  // Of another source, with the texts of the file's tokens; `name` is what errors call it.
  ChatTemplate(const ModelFile& file, std::string_view source, const std::string& name);

  // The text up to and including the header of the assistant's turn. Special tokens in it are meant
  // as such. `now` is what the template may print as today. Throws std::invalid_argument for an
  // empty conversation, and with the template's own message for one that it refuses.
  std::string render(std::vector<ChatMessage> messages, std::time_t now) const;
  std::string render(std::vector<ChatMessage> messages) const;

 private:
  std::string bos_;  // texts of the tokens; empty: none
  std::string eos_;
  jinja::Template template_;
};

}  // namespace troupe::model
