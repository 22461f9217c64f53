// A worker of the simulator: the real batcher, an engine that is the oracle, and the link rules of
// the batch stage.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/batch/batcher.hpp"
#include "messages/token_frame.hpp"
#include "messages/worker_link.hpp"

namespace troupe::tests {

using ToWorker = std::variant<messages::WorkerWelcome, messages::WorkItem, messages::CancelWork>;
using ToFront = std::
    variant<messages::WorkerHello, messages::WorkerBeat, messages::TokenFrame, messages::Released>;

// For which token of which attempt a worker computed.
struct Place {
  std::uint64_t front_epoch = 0;
  std::uint32_t attempt = 0;
  std::uint32_t position = 0;
};

// Of an event of these workers, whatever the front made of it since.
Place place_of(const messages::TokenEvent& event);

class SimulatedWorker {
 public:
  SimulatedWorker(std::string name, std::uint64_t generation, std::uint32_t sequences_max);

  // Each returns what the worker sends.
  std::vector<ToFront> take(const ToWorker& message);
  std::vector<ToFront> beat() const;

  // A message to it was lost.
  void start_over();

  // Starts a step when there is one to do; its requests are then in `in_step`.
  std::vector<ToFront> begin_step();
  std::vector<ToFront> finish_step();

  bool stepping() const { return stepping_; }

  // What the step record says.
  const std::vector<std::uint64_t>& in_step() const { return in_step_; }

  // Whether the step under way computes this attempt, and not an earlier one that the front has
  // given up.
  bool computes(std::uint64_t front_epoch, std::uint64_t request_id, std::uint32_t attempt) const;

  const messages::WorkerHello& hello() const { return hello_; }

  std::string peer() const { return hello_.worker + "#" + std::to_string(hello_.generation); }

  // Attempts that its front gave it and has not been told to be free again.
  std::size_t unreleased() const { return unreleased_.size(); }

 private:
  struct Known {
    messages::WorkItem work;
    std::vector<std::int32_t> produced;
    bool over = false;
  };

  void welcome(const messages::WorkerWelcome& welcome, std::vector<ToFront>& out);
  std::vector<ToFront> released();
  void plan();

  actors::batch::Batcher core_;
  messages::WorkerHello hello_;
  std::uint64_t front_epoch_ = 0;
  std::uint64_t admission_ = 0;
  std::set<std::pair<std::uint64_t, std::uint32_t>> unreleased_;  // (request id, attempt)
  std::deque<messages::Batch> steps_;                             // at infer, oldest first
  bool stepping_ = false;                                         // the oldest is being computed
  std::vector<std::uint64_t> in_step_;
  std::map<std::uint64_t, Known> engine_;
};

}  // namespace troupe::tests
