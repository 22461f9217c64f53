// Counters, gauges and histograms of a front, exposed as Prometheus text. Their names are what
// operators rely on: tests/actors/observe/metrics_test.cpp holds them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace troupe::actors::observe {

// Thread-safe: every stage of the front holds one by shared_ptr. Label values come from closed
// sets, never from clients.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void request_accepted();
  void request_finished(std::string_view reason);  // stop, length, cancelled, deadline,
                                                   // error, quarantined
  void request_refused(
      std::string_view reason);  // open, limit, deadline, overload, draining, invalid
  // `queued` by priority, 0 … 9.
  void set_requests(std::span<const std::uint64_t> queued, std::uint64_t running);
  void set_conservation_error(
      std::int64_t error);  // accepted − finished − queued − running: always 0

  // All in seconds.
  void observe_time_to_first_token(double seconds);
  void observe_inter_token(double seconds);
  void observe_request(double seconds);
  void observe_queue(double seconds);
  void observe_stage(std::string_view stage, double seconds);
  void observe_step(double seconds);

  void add_prompt_tokens(std::uint64_t tokens);  // and the histogram, one request
  void add_generated_tokens(std::uint64_t tokens);
  void observe_generated_tokens(std::uint64_t tokens);  // the histogram, one finished request
  void observe_batch_size(std::uint64_t sequences);

  void set_kv_blocks(std::string_view worker,
                     std::uint64_t used,
                     std::uint64_t cached,
                     std::uint64_t free);
  void set_hit_tokens(std::string_view worker, std::uint64_t total);
  void set_preemptions(std::string_view worker, std::uint64_t total);
  void set_nonfinite(std::string_view worker, std::uint64_t total);
  void set_child_up(std::string_view child, bool up);
  void child_restarted(std::string_view child, std::string_view reason);
  void set_stale_messages(std::uint64_t total);
  void set_ledger_lost(std::uint64_t total);  // frames
  void request_resumed();  // its worker died, or it was taken from it, and it goes on
  void link_refusal();

  // The whole registry in Prometheus' text format 0.0.4; samples process CPU, RSS and open files
  // first.
  std::string expose();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace troupe::actors::observe
