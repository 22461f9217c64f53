#include "apps/conversation.hpp"

#include <utility>

#include "config/check.hpp"

namespace troupe::apps {

Conversation::Conversation(std::string system) : has_system_(!system.empty()) {
  if (has_system_) turns_.push_back({"system", std::move(system)});
}

void Conversation::add_user(std::string text) { turns_.push_back({"user", std::move(text)}); }

void Conversation::add_assistant(std::string text) {
  turns_.push_back({"assistant", std::move(text)});
}

void Conversation::take_back() {
  CHECK(turns_.size() > first() && turns_.back().role == "user", "a user turn was added before");
  turns_.pop_back();
}

bool Conversation::drop_oldest() {
  // User turn, its answer, and at least the newest user turn.
  if (turns_.size() < first() + 3) return false;
  const auto oldest = turns_.begin() + static_cast<std::ptrdiff_t>(first());
  turns_.erase(oldest, oldest + 2);
  return true;
}

void Conversation::reset() { turns_.resize(first()); }

}  // namespace troupe::apps
