// One page of memory that root shares with a child: the child counts up in it while it gets on, and
// root reads it without asking. It costs neither a message, and shows a child that is stopped.
#pragma once

#include <atomic>
#include <cstdint>

#include "actors/supervision/unique_fd.hpp"

namespace troupe::actors::supervision {

// Each counter has one writer; root only reads.
struct Beats {
  std::atomic<std::uint64_t> loop;         // each beat of the child's main actor; 0: none yet
  std::atomic<std::uint64_t> compute;      // each operation of the device, each part of a start
  std::atomic<std::uint64_t> steps;        // forward passes begun
  std::atomic<std::uint32_t> makes_steps;  // 1: while requests are in flight there is always one
  std::atomic<std::uint32_t> computing;    // 1 while a step runs
  std::atomic<std::uint32_t> in_flight;    // requests that the child works on
  std::atomic<std::uint32_t> waiting;      // requests that it has not begun
  std::atomic<std::uint32_t> waits;        // 1 while it starts and waits for another process
  // Milliseconds of processor time that one operation of the largest step may take.
  std::atomic<std::uint32_t> patience_ms;
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "shared between processes");

class BeatPage {
 public:
  // Zeroed, in a file without a name. Throws std::system_error.
  static BeatPage make();
  // The child's side: takes the descriptor from --beat-fd.
  explicit BeatPage(int fd);

  BeatPage(BeatPage&& other) noexcept;
  BeatPage& operator=(BeatPage&& other) noexcept;
  ~BeatPage();

  Beats& beats() const { return *beats_; }

  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  Beats* beats_ = nullptr;
};

}  // namespace troupe::actors::supervision
