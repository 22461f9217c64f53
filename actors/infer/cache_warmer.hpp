// Keeps memory ready for the KV blocks that will be used next.
//
// The cache is memory that takes no room before it is written. A block's first writer would wait
// for its pages, which are zeroed first; longest where a hypervisor must find them. All streams of
// equal length reach their next block in the same step. A thread of low priority does that ahead of
// them instead (docs/performance.md, "Over HTTP", has what it gains).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "model/kv_cache.hpp"

namespace troupe::actors::infer {

class CacheWarmer {
 public:
  // Of blocks that are handed out in order of their index. Makes nothing before begin(). `cache`
  // must outlive this.
  explicit CacheWarmer(model::KvCache& cache);

  ~CacheWarmer();
  CacheWarmer(const CacheWarmer&) = delete;
  CacheWarmer& operator=(const CacheWarmer&) = delete;

  // From now on. A worker that starts has better things to do first: streams wait for it.
  void begin();

  // Block `index` is in use; the next ones will be. Cheap, from the thread of the engine.
  void note(std::int32_t index);

  // Returns when nothing is left to do until the next note. After begin().
  void wait_until_warm();

  // Blocks whose memory is there.
  std::int32_t warm();

  // Blocks that are kept ready: 4,096 tokens, what a second of a busy CPU's streams takes.
  static constexpr std::int32_t kAhead = 4096 / model::kBlockTokens;

 private:
  void run();

  model::KvCache& cache_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int32_t wanted_;      // blocks that should be warm
  std::int32_t noted_ = -1;  // highest index, of the engine's thread alone
  std::int32_t warm_ = 0;
  bool begun_ = false;
  bool stops_ = false;
  std::thread thread_;  // the last: it uses all of the above
};

}  // namespace troupe::actors::infer
