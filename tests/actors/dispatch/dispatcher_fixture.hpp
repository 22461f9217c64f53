// A dispatcher with room for three, and short words for its inputs.
#pragma once

#include <string>
#include <vector>

#include "actors/dispatch/dispatcher.hpp"

namespace troupe::actors::dispatch {

using messages::FailureCode;
using messages::FinishReason;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr std::uint64_t kEpoch = 9;

struct DispatcherFixture {
  Effects request(std::uint64_t id, std::uint32_t priority = 5, std::uint64_t deadline_ms = 0) {
    return core.on_request({.request_id = id,
                            .prompt_tokens = {1, 2},
                            .sampling = {.max_tokens = 8, .stop = {"x"}},
                            .priority = priority,
                            .deadline_ms = deadline_ms},
                           now);
  }

  // One of the `size` answers of the call whose first is `first`.
  Effects answer(std::uint64_t id, std::uint64_t first, std::uint32_t size) {
    return core.on_request({.request_id = id,
                            .prompt_tokens = {1, 2},
                            .sampling = {.max_tokens = 8},
                            .cache_salt = "mine",
                            .call_first = first,
                            .call_size = size},
                           now);
  }

  Effects worker(const std::string& name, std::uint64_t generation, std::uint32_t credits = 2) {
    return core.on_hello(name + "#" + std::to_string(generation),
                         {.worker = name,
                          .generation = generation,
                          .numerics_id = "n",
                          .vocabulary_hash = "v",
                          .sequences_max = credits,
                          .context_max = 100},
                         now);
  }

  Effects token(std::uint64_t id,
                std::uint32_t position,
                FinishReason finish = FinishReason::kNone,
                std::uint64_t epoch = kEpoch,
                std::uint32_t attempt = 1) {
    messages::TokenFrame frame{.front_epoch = epoch, .worker_generation = 1};
    frame.events.push_back(
        {.request_id = id, .attempt = attempt, .position = position, .token = 5, .finish = finish});
    return core.on_tokens("a#1", frame, now);
  }

  Effects released(std::uint64_t id, std::uint32_t attempt = 1) {
    return core.on_released(
        "a#1", {.front_epoch = kEpoch, .worker_generation = 1, .works = {{id, attempt}}}, now);
  }

  Effects down(const std::string& name,
               std::uint64_t generation,
               bool by_work = false,
               std::vector<std::uint64_t> in_step = {}) {
    return core.on_worker_down({.child = name,
                                .generation = generation,
                                .reason = "killed by a signal",
                                .by_work = by_work,
                                .in_step = std::move(in_step)},
                               now);
  }

  bool conserved() const { return core.snapshot().conservation_error() == 0; }

  Dispatcher core{{.front_epoch = kEpoch,
                   .queued_max = 3,
                   .context_max = 100,
                   .vocabulary_hash = "v",
                   .local_workers = 1}};
  Time now{seconds(100)};
};

}  // namespace troupe::actors::dispatch
