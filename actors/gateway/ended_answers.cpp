#include "actors/gateway/ended_answers.hpp"

namespace troupe::actors::gateway {

void EndedAnswers::keep(const Name& name, EndedAnswer answer) {
  if (!answers_.insert_or_assign(name, std::move(answer)).second) return;
  order_.push_back(name);
  if (order_.size() <= kAnswersMax) return;
  answers_.erase(order_.front());
  order_.pop_front();
}

const EndedAnswer* EndedAnswers::find(const Name& name) const {
  const auto found = answers_.find(name);
  return found == answers_.end() ? nullptr : &found->second;
}

void EndedAnswers::forget_before(std::int64_t since_ms) {
  while (!order_.empty() && answers_.at(order_.front()).ended_ms < since_ms) {
    answers_.erase(order_.front());
    order_.pop_front();
  }
}

}  // namespace troupe::actors::gateway
