#include "actors/infer/cache_warmer.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace troupe::actors::infer {

CacheWarmer::CacheWarmer(model::KvCache& cache)
    : cache_(cache), wanted_(std::min(kAhead, cache.blocks())), thread_([this] { run(); }) {}

CacheWarmer::~CacheWarmer() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CacheWarmer::begin() {
  {
    const std::lock_guard lock(mutex_);
    begun_ = true;
  }
  changed_.notify_all();
}

void CacheWarmer::note(std::int32_t index) {
  if (index <= noted_) return;
  noted_ = index;
  {
    const std::lock_guard lock(mutex_);
    wanted_ = std::max(wanted_, std::min(index + 1 + kAhead, cache_.blocks()));
  }
  changed_.notify_all();
}

void CacheWarmer::wait_until_warm() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return warm_ == wanted_; });
}

std::int32_t CacheWarmer::warm() {
  const std::lock_guard lock(mutex_);
  return warm_;
}

// Block by block: who grows the process's memory map waits for one at most, as does the end of the
// process.
void CacheWarmer::run() {
  constexpr int kLowest = 19;
  setpriority(PRIO_PROCESS, 0, kLowest);  // Linux: of this thread
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stops_ || (begun_ && warm_ < wanted_); });
    if (stops_) return;
    const std::int32_t block = warm_;
    lock.unlock();
    cache_.prefault(block);
    lock.lock();
    warm_ = block + 1;
    changed_.notify_all();
  }
}

}  // namespace troupe::actors::infer
