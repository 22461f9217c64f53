// Turns a conversation into the prompt text that a model was trained on.
#pragma once

#include <span>
#include <string>

namespace troupe::model {

class GgufFile;

struct ChatMessage {
  std::string role;  // system, user, assistant
  std::string content;

  bool operator==(const ChatMessage&) const = default;
};

// ChatML, with the default system prompt that the model's own template names. The model's whole
// Jinja template replaces this later; the interface stays.
class ChatTemplate {
 public:
  // Throws config::UserError when the file's template is not ChatML.
  explicit ChatTemplate(const GgufFile& file);

  // The text up to and including the header of the assistant's turn. Special tokens in it are meant
  // as such. Throws std::invalid_argument for a role that the template does not know or an empty
  // conversation.
  std::string render(std::span<const ChatMessage> messages) const;

 private:
  std::string default_system_;  // empty: none
};

}  // namespace troupe::model
