// Everything aggregate knows: the answers that are open. It alone decides where an answer ends,
// once. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "actors/aggregate/answer.hpp"
#include "messages/reply_chunk.hpp"
#include "messages/reply_plan.hpp"
#include "messages/token_frame.hpp"

namespace troupe::actors::aggregate {

struct Replies {
  std::vector<messages::ReplyChunk> chunks;       // to the gateway
  std::vector<messages::ReplyFinished> finished;  // to dispatch
};

class Aggregator {
 public:
  explicit Aggregator(std::shared_ptr<const model::Tokenizer> tokenizer)
      : tokenizer_(std::move(tokenizer)) {}

  Replies on_plan(messages::ReplyPlan plan);

  // Tokens that follow the end of their answer are dropped: the worker had not heard of it yet. So
  // are those that the answer has; one that is not its next ends it with an error.
  Replies on_tokens(const messages::JournaledTokens& tokens);

  // Also for requests that were refused before they had a plan.
  Replies on_failure(const messages::Failure& failure);

  std::size_t open() const { return answers_.size(); }

 private:
  void lose(std::uint64_t request_id, Replies& replies);

  std::shared_ptr<const model::Tokenizer> tokenizer_;
  std::unordered_map<std::uint64_t, Answer> answers_;
};

}  // namespace troupe::actors::aggregate
