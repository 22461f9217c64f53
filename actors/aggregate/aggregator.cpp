#include "actors/aggregate/aggregator.hpp"

#include <utility>

namespace troupe::actors::aggregate {

using messages::ChunkKind;

Replies Aggregator::on_plan(messages::ReplyPlan plan) {
  const std::uint64_t id = plan.request_id;
  auto [answer, added] = answers_.try_emplace(id, std::move(plan), tokenizer_);
  Replies replies;
  if (added) replies.chunks.push_back(answer->second.accepted());
  return replies;
}

Replies Aggregator::on_tokens(const messages::JournaledTokens& tokens) {
  Replies replies;
  for (const messages::TokenEvent& event : tokens.events) {
    const auto answer = answers_.find(event.request_id);
    if (answer == answers_.end() || event.position < answer->second.produced()) continue;
    if (event.position > answer->second.produced()) {
      lose(event.request_id, replies);
      continue;
    }
    replies.chunks.push_back(answer->second.take(event));
    const messages::ReplyChunk& chunk = replies.chunks.back();
    if (chunk.kind != ChunkKind::kFinal) continue;
    replies.finished.push_back(
        {.request_id = event.request_id, .reason = chunk.finish, .tokens = chunk.produced_tokens});
    answers_.erase(answer);
  }
  return replies;
}

// A token was journalled and did not arrive here, which only a fault of ours can cause. The client
// learns that its answer is broken; nothing is made up.
void Aggregator::lose(std::uint64_t request_id, Replies& replies) {
  const messages::Failure failure{.request_id = request_id,
                                  .code = messages::FailureCode::kInternal,
                                  .message = "a token of the answer was lost in the server"};
  const auto answer = answers_.find(request_id);
  replies.chunks.push_back(answer->second.fail(failure));
  replies.finished.push_back({.request_id = request_id,
                              .reason = messages::FinishReason::kError,
                              .tokens = answer->second.produced()});
  answers_.erase(answer);
}

Replies Aggregator::on_failure(const messages::Failure& failure) {
  Replies replies;
  const auto answer = answers_.find(failure.request_id);
  if (answer == answers_.end()) {
    replies.chunks.push_back(
        {.request_id = failure.request_id, .kind = ChunkKind::kError, .failure = failure});
    return replies;
  }
  replies.chunks.push_back(answer->second.fail(failure));
  answers_.erase(answer);
  return replies;
}

}  // namespace troupe::actors::aggregate
