// The turns of a chat, oldest first, and what is given up when they no longer fit.
#pragma once

#include <string>
#include <vector>

#include "messages/generate_request.hpp"

namespace troupe::apps {

class Conversation {
 public:
  // `system` may be empty: then the model's template decides.
  explicit Conversation(std::string system);

  void add_user(std::string text);
  void add_assistant(std::string text);

  // Takes back the last user turn, which got no answer.
  void take_back();

  // Gives up the oldest user turn and its answer. False: only the newest user turn is left.
  bool drop_oldest();

  // Back to the system turn.
  void reset();

  const std::vector<messages::ChatTurn>& turns() const { return turns_; }

 private:
  std::size_t first() const { return has_system_ ? 1 : 0; }

  std::vector<messages::ChatTurn> turns_;
  bool has_system_ = false;
};

}  // namespace troupe::apps
