#include "model/chat_template.hpp"

#include <stdexcept>
#include <utility>

#include "config/user_error.hpp"
#include "jinja/error.hpp"
#include "model/model_file.hpp"
#include "model/utf8.hpp"

namespace troupe::model {
namespace {

std::string_view source_of(const ModelFile& file) {
  const auto source = file.find_string("tokenizer.chat_template");
  if (!source || source->empty()) {
    throw config::UserError(
        file.name() +
        ": metadata 'tokenizer.chat_template' is missing: use this model for completions "
        "only, give an instruct model, or name a template with --chat-template FILE");
  }
  return *source;
}

// The text of the token whose id the metadata names; empty when there is none.
std::string token_text(const ModelFile& file, const char* key) {
  const auto id = file.find_uint(key);
  const auto* tokens = file.find_strings("tokenizer.ggml.tokens");
  return id && tokens != nullptr && *id < tokens->size() ? (*tokens)[*id] : std::string();
}

jinja::Template compile(std::string_view source, const std::string& name) {
  try {
    return jinja::Template(utf8::replace_invalid(source));
  } catch (const jinja::SyntaxError& error) {
    throw config::UserError(name + ": the chat template cannot be used: " + error.what() +
                            " (or give another with --chat-template FILE)");
  }
}

jinja::Value value_of(std::vector<ChatMessage> messages) {
  const auto role = jinja::Value::text("role");
  const auto content = jinja::Value::text("content");
  jinja::Items items;
  for (ChatMessage& message : messages) {
    jinja::Dict dict;
    dict.set(role, jinja::Value::text(std::move(message.role)));
    dict.set(content, jinja::Value::text(std::move(message.content)));
    items.push_back(jinja::Value::dict(std::move(dict)));
  }
  return jinja::Value::list(std::move(items));
}

// A template's message may quote the conversation: as much of it as an answer should carry.
std::string cut(std::string_view message) {
  constexpr std::size_t kMessageBytesMax = 4096;
  if (message.size() <= kMessageBytesMax) return std::string(message);
  std::size_t end = kMessageBytesMax;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0U) == 0x80) --end;
  return std::string(message.substr(0, end)) + "…";
}

}  // namespace

ChatTemplate::ChatTemplate(const ModelFile& file)
    : ChatTemplate(file, source_of(file), file.name()) {}

ChatTemplate::ChatTemplate(const ModelFile& file, std::string_view source, const std::string& name)
    : bos_(token_text(file, "tokenizer.ggml.bos_token_id")),
      eos_(token_text(file, "tokenizer.ggml.eos_token_id")),
      template_(compile(source, name)) {}

std::string ChatTemplate::render(std::vector<ChatMessage> messages, std::time_t now) const {
  if (messages.empty()) throw std::invalid_argument("a conversation has at least one message");
  jinja::Dict variables;
  const auto set = [&](const char* name, jinja::Value value) {
    variables.set(jinja::Value::text(name), std::move(value));
  };
  set("messages", value_of(std::move(messages)));
  set("tools", {});
  set("documents", {});
  set("add_generation_prompt", true);
  // A token that the model has not is no variable at all, as in transformers.
  if (!bos_.empty()) set("bos_token", jinja::Value::text(bos_));
  if (!eos_.empty()) set("eos_token", jinja::Value::text(eos_));
  try {
    return template_.render(variables, now);
  } catch (const jinja::RenderError& error) {
    throw std::invalid_argument("the chat template refuses the conversation: " + cut(error.what()));
  }
}

std::string ChatTemplate::render(std::vector<ChatMessage> messages) const {
  return render(std::move(messages), std::time(nullptr));
}

}  // namespace troupe::model
