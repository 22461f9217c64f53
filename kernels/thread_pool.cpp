#include "kernels/thread_pool.hpp"

#include <immintrin.h>

#include <cstddef>

#include "config/check.hpp"

namespace troupe::kernels {
namespace {

// A pause takes some 40 to 140 cycles: 20 to 50 microseconds in all, longer than the serial gaps of
// a decode step.
constexpr int kSpinPauses = 1000;

constexpr std::uint64_t word_of(std::uint32_t loop, std::uint32_t begin, std::uint32_t end) {
  return (std::uint64_t{loop} << 32) | (begin << 16) | end;
}

// Spins while the value is `old`, then gives up.
bool changes_soon(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int i = 0; i < kSpinPauses; ++i) {
    if (value.load(std::memory_order_acquire) != old) return true;
    _mm_pause();
  }
  return false;
}

// Denormals cost hundreds of cycles and mean nothing here; every thread treats them alike, for
// equal bits.
class FlushDenormals {
 public:
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040U); }  // FTZ | DAZ

  ~FlushDenormals() { _mm_setcsr(saved_); }

  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned saved_;
};

}  // namespace

ThreadPool::ThreadPool(int threads) {
  CHECK(threads >= 1, "a pool includes its caller");
  ranges_ = std::make_unique<Range[]>(static_cast<std::size_t>(threads));
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(std::uint32_t first, std::uint32_t tiles, Task task, void* context) noexcept {
  const FlushDenormals flush;
  if (workers_.empty() || tiles <= 1) {
    for (std::uint32_t tile = 0; tile < tiles; ++tile) task(context, first + tile, 0);
    return;
  }
  const std::uint32_t loop = loop_.load(std::memory_order_relaxed) + 1;
  task_.store(task, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  first_.store(first, std::memory_order_relaxed);
  tiles_.store(tiles, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const auto count = static_cast<std::uint32_t>(threads());
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t begin = tiles * i / count;
    const std::uint32_t end = tiles * (i + 1) / count;
    ranges_[i].unclaimed.store(word_of(loop, begin, end), std::memory_order_release);
  }
  loop_.store(loop, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();  // a system call only when somebody sleeps
  drain(loop, 0);
  for (;;) {
    const std::uint32_t done = done_.load(std::memory_order_acquire);
    if (done == tiles) return;
    if (!changes_soon(done_, done)) done_.wait(done, std::memory_order_acquire);
  }
}

void ThreadPool::work(int thread) {
  const FlushDenormals flush;
  std::uint32_t seen = 0;
  for (;;) {
    if (!changes_soon(wake_, seen)) wake_.wait(seen, std::memory_order_acquire);
    seen = wake_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_acquire)) return;
    drain(loop_.load(std::memory_order_acquire), thread);
  }
}

// The thread's own range, then the others'.
void ThreadPool::drain(std::uint32_t loop, int thread) {
  const auto own = static_cast<std::size_t>(thread);
  const auto count = static_cast<std::size_t>(threads());
  if (finish(drain_range(ranges_[own], loop, thread, false), thread)) return;
  std::uint32_t taken = 0;
  for (std::size_t i = 1; i < count; ++i)
    taken += drain_range(ranges_[(own + i) % count], loop, thread, true);
  finish(taken, thread);
}

// Counts tiles that this thread finished; true when they were the last ones. A loop ends when all
// its tiles are counted here, so a number above zero belongs to this loop.
bool ThreadPool::finish(std::uint32_t count, int thread) {
  if (count == 0) return false;
  const std::uint32_t tiles = tiles_.load(std::memory_order_relaxed);
  const std::uint32_t done = done_.fetch_add(count, std::memory_order_acq_rel) + count;
  if (done == tiles && thread != 0) done_.notify_one();
  return done == tiles;
}

// Returns how many tiles of the range this thread took and finished.
std::uint32_t ThreadPool::drain_range(Range& range, std::uint32_t loop, int thread, bool from_end) {
  std::uint32_t finished = 0;
  std::uint64_t word = range.unclaimed.load(std::memory_order_acquire);
  while (word >> 32 == loop) {
    const auto begin = static_cast<std::uint32_t>(word >> 16 & 0xFFFFU);
    const auto end = static_cast<std::uint32_t>(word & 0xFFFFU);
    if (begin == end) break;
    const Task task = task_.load(std::memory_order_relaxed);
    void* const context = context_.load(std::memory_order_relaxed);
    const std::uint32_t first = first_.load(std::memory_order_relaxed);
    const std::uint64_t rest =
        from_end ? word_of(loop, begin, end - 1) : word_of(loop, begin + 1, end);
    if (!range.unclaimed.compare_exchange_weak(word, rest, std::memory_order_acq_rel)) continue;
    task(context, first + (from_end ? end - 1 : begin), thread);
    ++finished;
    word = range.unclaimed.load(std::memory_order_acquire);
  }
  return finished;
}

}  // namespace troupe::kernels
