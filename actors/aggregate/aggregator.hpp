// Everything aggregate knows: the answers that are open. It alone decides where an answer ends,
// once. Pure.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/aggregate/answer.hpp"
#include "messages/reply_chunk.hpp"
#include "messages/reply_plan.hpp"
#include "messages/token_frame.hpp"

namespace troupe::actors::aggregate {

// What the client reads when an exception was thrown over its answer.
std::string broken_by(const std::exception& error);

struct Replies {
  std::vector<messages::ReplyChunk> chunks;       // to the gateway
  std::vector<messages::ReplyFinished> finished;  // to dispatch
};

class Aggregator {
 public:
  // Called before each token is taken, for faults on purpose: it may throw.
  using Probe = std::function<void(const messages::TokenEvent&)>;

  // An exception over one answer ends that one with an error, not the others.
  explicit Aggregator(std::shared_ptr<const model::Tokenizer> tokenizer, Probe probe = {})
      : tokenizer_(std::move(tokenizer)), probe_(std::move(probe)) {}

  Replies on_plan(messages::ReplyPlan plan);

  // Tokens that follow the end of their answer are dropped: the worker had not heard of it yet. So
  // are those that the answer has; one that is not its next ends it with an error.
  Replies on_tokens(const messages::JournaledTokens& tokens);

  // Also for requests that were refused before they had a plan.
  Replies on_failure(const messages::Failure& failure);

  // Ends these requests with an error that says `why`, whether or not they are known here.
  Replies break_off(std::span<const std::uint64_t> request_ids, const std::string& why);

  std::size_t open() const { return answers_.size(); }

 private:
  void take(const messages::TokenEvent& event, Replies& replies);
  void break_off(std::uint64_t request_id, const std::string& why, Replies& replies);

  std::shared_ptr<const model::Tokenizer> tokenizer_;
  Probe probe_;
  std::unordered_map<std::uint64_t, Answer> answers_;
};

}  // namespace troupe::actors::aggregate
