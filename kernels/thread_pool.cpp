#include "kernels/thread_pool.hpp"

#include <immintrin.h>

#include "config/check.hpp"

namespace troupe::kernels {
namespace {

// A pause takes some 40 to 140 cycles: 20 to 50 microseconds in all, longer than the serial gaps of
// a decode step.
constexpr int kSpinPauses = 1000;

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
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(std::uint32_t tiles, Task task, void* context) {
  const FlushDenormals flush;
  if (workers_.empty() || tiles <= 1) {
    for (std::uint32_t tile = 0; tile < tiles; ++tile) task(context, tile, 0);
    return;
  }
  const std::uint64_t epoch = (claim_.load(std::memory_order_relaxed) >> 32) + 1;
  task_.store(task, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  tiles_.store(tiles, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  claim_.store((epoch << 32) | tiles, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();  // a system call only when somebody sleeps
  drain(epoch, 0);
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
    drain(claim_.load(std::memory_order_acquire) >> 32, thread);
  }
}

void ThreadPool::drain(std::uint64_t epoch, int thread) {
  std::uint64_t claim = claim_.load(std::memory_order_acquire);
  const Task task = task_.load(std::memory_order_relaxed);
  void* const context = context_.load(std::memory_order_relaxed);
  const std::uint32_t tiles = tiles_.load(std::memory_order_relaxed);
  for (;;) {
    const auto left = static_cast<std::uint32_t>(claim);
    if (claim >> 32 != epoch || left == 0) return;
    if (!claim_.compare_exchange_weak(claim, claim - 1, std::memory_order_acq_rel)) continue;
    task(context, tiles - left, thread);
    const std::uint32_t done = done_.fetch_add(1, std::memory_order_acq_rel) + 1;
    if (done == tiles && thread != 0) done_.notify_one();
    claim = claim_.load(std::memory_order_acquire);
  }
}

}  // namespace troupe::kernels
