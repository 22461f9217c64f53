#include "actors/gateway/ended_answers.hpp"

namespace troupe::actors::gateway {

namespace {

std::size_t bytes_of(const EndedAnswer& answer) {
  return sizeof(EndedAnswer) + answer.emitted.kept_bytes() + answer.last_frame.size();
}

}  // namespace

void EndedAnswers::keep(const Name& name, EndedAnswer answer) {
  bytes_ += bytes_of(answer);
  const auto known = answers_.find(name);
  if (known != answers_.end()) {
    bytes_ -= bytes_of(known->second);
    known->second = std::move(answer);
  } else {
    answers_.emplace(name, std::move(answer));
    order_.push_back(name);
  }
  while (order_.size() > kAnswersMax || bytes_ > bytes_max_) forget_oldest();
}

void EndedAnswers::forget_oldest() {
  const auto oldest = answers_.find(order_.front());
  bytes_ -= bytes_of(oldest->second);
  answers_.erase(oldest);
  order_.pop_front();
}

const EndedAnswer* EndedAnswers::find(const Name& name) const {
  const auto found = answers_.find(name);
  return found == answers_.end() ? nullptr : &found->second;
}

void EndedAnswers::forget_before(std::int64_t since_ms) {
  while (!order_.empty() && answers_.at(order_.front()).ended_ms < since_ms) {
    forget_oldest();
  }
}

}  // namespace troupe::actors::gateway
