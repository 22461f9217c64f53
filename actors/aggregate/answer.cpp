#include "actors/aggregate/answer.hpp"

#include <algorithm>
#include <utility>

#include "model/utf8.hpp"

namespace troupe::actors::aggregate {
namespace {

using messages::ChunkKind;
using messages::FinishReason;
using messages::ReplyChunk;

// Where the earliest stop string begins in `text`, or npos.
std::size_t find_stop(const std::string& text, const std::vector<std::string>& stops) {
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops) first = std::min(first, text.find(stop));
  return first;
}

// How many bytes at the end of `text` are the beginning of `stop`.
std::size_t partial_stop(const std::string& text, const std::string& stop) {
  for (std::size_t length = std::min(text.size(), stop.size() - 1); length > 0; --length) {
    if (text.ends_with(std::string_view(stop).substr(0, length))) return length;
  }
  return 0;
}

}  // namespace

Answer::Answer(messages::ReplyPlan plan, std::shared_ptr<const model::Tokenizer> tokenizer)
    : plan_(std::move(plan)), tokenizer_(std::move(tokenizer)) {}

ReplyChunk Answer::accepted() {
  ReplyChunk reply = chunk(ChunkKind::kAccepted);
  if (plan_.echo)
    reply.text = model::utf8::replace_invalid(tokenizer_->decode(plan_.prompt_tokens));
  text_offset_ += reply.text.size();
  return reply;
}

ReplyChunk Answer::take(const messages::TokenEvent& event) {
  // What the first attempt found in the cache: a resumed one finds its own tokens there.
  if (produced_ == 0) cached_ = event.cached_tokens;
  ReplyChunk reply = chunk(ChunkKind::kText);
  reply.tokens = {event.token};
  reply.token_end = ++produced_;
  if (plan_.logprobs) reply.logprobs.push_back(logprob(event));
  if (!tokenizer_->is_special(event.token)) pending_ += tokenizer_->piece(event.token);

  FinishReason finish = event.finish;
  if (const std::size_t stop = find_stop(pending_, plan_.stop); stop != std::string::npos) {
    pending_.resize(stop);
    finish = FinishReason::kStop;
  }
  const bool ended = finish != FinishReason::kNone;
  reply.text = release(ended);
  text_offset_ += reply.text.size();
  if (ended) {
    reply.kind = ChunkKind::kFinal;
    reply.finish = finish;
    reply.produced_tokens = produced_;
  }
  return reply;
}

ReplyChunk Answer::fail(const messages::Failure& failure) const {
  ReplyChunk reply = chunk(ChunkKind::kError);
  reply.failure = failure;
  reply.produced_tokens = produced_;
  return reply;
}

ReplyChunk Answer::chunk(ChunkKind kind) const {
  return {.request_id = plan_.request_id,
          .kind = kind,
          .text_offset = text_offset_,
          .token_begin = produced_,
          .token_end = produced_,
          .prompt_tokens = static_cast<std::uint32_t>(plan_.prompt_tokens.size()),
          .cached_tokens = cached_};
}

// Takes what may be emitted out of `pending_`.
std::string Answer::release(bool ended) {
  const std::size_t size = ended ? pending_.size() : pending_.size() - held_back();
  std::string text = model::utf8::replace_invalid(std::string_view(pending_).substr(0, size));
  pending_.erase(0, size);
  return text;
}

std::size_t Answer::held_back() const {
  std::size_t bytes = model::utf8::unfinished_suffix(pending_);
  for (const std::string& stop : plan_.stop) bytes = std::max(bytes, partial_stop(pending_, stop));
  return bytes;
}

messages::TokenLogprob Answer::logprob(const messages::TokenEvent& event) const {
  messages::TokenLogprob entry{.chosen = alternative(event.token, event.logprob), .top = {}};
  for (const auto& [token, value] : event.top_logprobs)
    entry.top.push_back(alternative(token, value));
  return entry;
}

messages::TokenAlternative Answer::alternative(std::int32_t token, float value) const {
  return {.token = token, .bytes = std::string(tokenizer_->piece(token)), .logprob = value};
}

}  // namespace troupe::actors::aggregate
