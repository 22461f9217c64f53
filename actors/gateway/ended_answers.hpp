// Answers that have ended, kept for clients that lost their connection before they knew. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "actors/gateway/emitted_text.hpp"
#include "config/limits.hpp"

namespace troupe::actors::gateway {

struct EndedAnswer {
  EmittedText emitted;
  bool stream = true;
  std::string last_frame;  // `final` or `error`
  std::int64_t ended_ms = 0;
};

class EndedAnswers {
 public:
  using Name = std::pair<std::string, std::string>;  // (peer, the client's id)

  explicit EndedAnswers(std::size_t bytes_max = config::kEndedBytesMax) : bytes_max_(bytes_max) {}

  // The oldest go for it when there are too many, or they hold too much.
  void keep(const Name& name, EndedAnswer answer);

  // nullptr when it is not remembered.
  const EndedAnswer* find(const Name& name) const;

  // Forgets those that ended before `since_ms`.
  void forget_before(std::int64_t since_ms);

 private:
  void forget_oldest();

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::map<Name, EndedAnswer> answers_;
  std::deque<Name> order_;  // oldest first

  // Those of full queues of several nodes' worth of clients; each is an answer's text and tokens.
  static constexpr std::size_t kAnswersMax = 1024;
};

}  // namespace troupe::actors::gateway
