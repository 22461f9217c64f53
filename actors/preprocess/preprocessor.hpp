// What preprocess does to one request: chat template, tokenizer, and the limits that need token
// counts. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>

#include "messages/failure.hpp"
#include "messages/generate_request.hpp"
#include "messages/tokenized_request.hpp"
#include "model/chat_template.hpp"
#include "model/tokenizer.hpp"

namespace troupe::actors::preprocess {

using Preprocessed = std::variant<messages::TokenizedRequest, messages::Failure>;

class Preprocessor {
 public:
  // `chat_template` may be null: chat is refused then. `context_max`: tokens of prompt and answer
  // together, at least 2.
  Preprocessor(std::shared_ptr<const model::Tokenizer> tokenizer,
               std::shared_ptr<const model::ChatTemplate> chat_template,
               std::uint32_t context_max);

  // A prompt that leaves no room for an answer is refused with both numbers; max_tokens is cut to
  // the room there is, so that a client with a large default still gets its answer (finish reason:
  // length).
  Preprocessed run(const messages::GenerateRequest& request) const;

 private:
  std::vector<std::int32_t> prompt_tokens(const messages::GenerateRequest& request) const;

  std::shared_ptr<const model::Tokenizer> tokenizer_;
  std::shared_ptr<const model::ChatTemplate> chat_template_;
  std::uint32_t context_max_;
};

}  // namespace troupe::actors::preprocess
