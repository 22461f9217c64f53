// A fixed set of threads that shares out the tiles of one loop at a time, each thread its own
// range.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace troupe::kernels {

// A thread takes the tiles of its own range in order, so that what it wrote in one loop is still in
// its caches in the next; with none left it takes tiles from the ends of the others' ranges. A
// thread that the system has descheduled costs the one tile it holds, not its share of the loop.
// Between loops threads spin for some microseconds (decode has hundreds of short loops a step),
// then sleep on a futex: other processes use these cores too.
class ThreadPool {
 public:
  // `threads` includes the calling one; at least 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(tile, thread) once for every tile in [0, tiles); returns when all are done. `thread`
  // is in [0, threads()) and has the tiles from thread · tiles / threads on for its own (of each
  // 65,535 where there are more). One caller at a time; a `body` that throws ends the process.
  template <typename Body>
  void parallel_for(std::uint32_t tiles, Body&& body) {
    const Task task = [](void* context, std::uint32_t tile, int thread) {
      (*static_cast<std::remove_reference_t<Body>*>(context))(tile, thread);
    };
    void* const context = const_cast<void*>(static_cast<const void*>(&body));
    for (std::uint32_t first = 0; first < tiles; first += kTilesMax)
      run(first, std::min(kTilesMax, tiles - first), task, context);
  }

 private:
  using Task = void (*)(void* context, std::uint32_t tile, int thread);

  // Tiles of one thread's range that nobody has claimed yet, as (loop number << 32) | (begin << 16)
  // | end. A claim is a compare-and-swap on all three. While one can succeed the loop is
  // unfinished, so what a thread read of the task before its claim belongs to the same loop.
  struct alignas(64) Range {
    std::atomic<std::uint64_t> unclaimed{0};
  };

  // Both bounds of a range fit 16 bits.
  static constexpr std::uint32_t kTilesMax = 0xFFFF;

  void run(std::uint32_t first, std::uint32_t tiles, Task task, void* context) noexcept;
  void work(int thread);
  void drain(std::uint32_t loop, int thread);
  std::uint32_t drain_range(Range& range, std::uint32_t loop, int thread, bool from_end);
  bool finish(std::uint32_t count, int thread);

  std::unique_ptr<Range[]> ranges_;     // [threads]
  std::atomic<std::uint32_t> loop_{0};  // the number of the loop at hand
  std::atomic<Task> task_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<std::uint32_t> first_{0};  // tile of the task that is the loop's tile 0
  std::atomic<std::uint32_t> tiles_{0};
  alignas(64) std::atomic<std::uint32_t> done_{0};  // tiles of this loop that are finished
  alignas(64) std::atomic<std::uint32_t> wake_{0};  // changes with every loop and at the end
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace troupe::kernels
