#include "actors/aggregate/aggregator.hpp"

#include <exception>
#include <utility>

namespace troupe::actors::aggregate {

using messages::ChunkKind;

std::string broken_by(const std::exception& error) {
  return std::string("an error in the server broke this answer off: ") + error.what();
}

Replies Aggregator::on_plan(messages::ReplyPlan plan) {
  const std::uint64_t id = plan.request_id;
  Replies replies;
  try {
    auto [answer, added] = answers_.try_emplace(id, std::move(plan), tokenizer_);
    if (added) replies.chunks.push_back(answer->second.accepted());
  } catch (const std::exception& error) {
    break_off(id, broken_by(error), replies);
  }
  return replies;
}

Replies Aggregator::on_tokens(const messages::JournaledTokens& tokens) {
  Replies replies;
  for (const messages::TokenEvent& event : tokens.events) {
    try {
      take(event, replies);
    } catch (const std::exception& error) {
      break_off(event.request_id, broken_by(error), replies);
    }
  }
  return replies;
}

void Aggregator::take(const messages::TokenEvent& event, Replies& replies) {
  const auto answer = answers_.find(event.request_id);
  if (answer == answers_.end() || event.position < answer->second.produced()) return;
  // A token was journalled and did not arrive here, which only a fault of ours can cause. The
  // client learns that its answer is broken; nothing is made up.
  if (event.position > answer->second.produced()) {
    return break_off(event.request_id, "a token of the answer was lost in the server", replies);
  }
  if (probe_) probe_(event);
  messages::ReplyChunk chunk = answer->second.take(event);
  const bool ended = chunk.kind == ChunkKind::kFinal;
  if (ended) {
    replies.finished.push_back(
        {.request_id = event.request_id, .reason = chunk.finish, .tokens = chunk.produced_tokens});
  }
  replies.chunks.push_back(std::move(chunk));
  if (ended) answers_.erase(answer);
}

Replies Aggregator::break_off(std::span<const std::uint64_t> request_ids, const std::string& why) {
  Replies replies;
  for (const std::uint64_t id : request_ids) break_off(id, why, replies);
  return replies;
}

void Aggregator::break_off(std::uint64_t request_id, const std::string& why, Replies& replies) {
  const messages::Failure failure{
      .request_id = request_id, .code = messages::FailureCode::kInternal, .message = why};
  Replies end = on_failure(failure);
  replies.finished.push_back({.request_id = request_id,
                              .reason = messages::FinishReason::kError,
                              .tokens = end.chunks.front().produced_tokens});
  replies.chunks.push_back(std::move(end.chunks.front()));
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
