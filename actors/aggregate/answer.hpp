// One answer as it grows: tokens in, whole characters out, stop strings found across token borders.
// Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "messages/reply_chunk.hpp"
#include "messages/reply_plan.hpp"
#include "model/tokenizer.hpp"

namespace troupe::actors::aggregate {

// Text is held back while it may still become a stop string or the rest of a character.
class Answer {
 public:
  Answer(messages::ReplyPlan plan, std::shared_ptr<const model::Tokenizer> tokenizer);

  // The chunk that announces the answer; with `echo` its text is the prompt's.
  messages::ReplyChunk accepted();

  // Takes the next token. The chunk may have no text; its kind is kFinal once the answer has ended,
  // by a stop string or by the reason that came with the token.
  messages::ReplyChunk take(const messages::TokenEvent& event);

  // The last chunk of an answer that failed, with what was produced so far in its usage.
  messages::ReplyChunk fail(const messages::Failure& failure) const;

  std::uint32_t produced() const { return produced_; }

 private:
  messages::ReplyChunk chunk(messages::ChunkKind kind) const;
  std::string release(bool ended);
  std::size_t held_back() const;
  messages::TokenLogprob logprob(const messages::TokenEvent& event) const;
  messages::TokenAlternative alternative(std::int32_t token, float value) const;

  messages::ReplyPlan plan_;
  std::shared_ptr<const model::Tokenizer> tokenizer_;
  std::string pending_;            // bytes that are not emitted yet
  std::uint64_t text_offset_ = 0;  // UTF-8 bytes emitted
  std::uint32_t produced_ = 0;     // tokens taken
  std::uint32_t cached_ = 0;       // tokens of the prompt that the prefix cache held
};

}  // namespace troupe::actors::aggregate
