// Which KV blocks are free: a stack of indices. Pure bookkeeping; the blocks themselves are the
// engine's.
#pragma once

#include <cstdint>
#include <vector>

namespace troupe::actors::batch {

class BlockPool {
 public:
  explicit BlockPool(std::int32_t blocks);

  std::int32_t free() const { return static_cast<std::int32_t>(free_.size()); }

  std::int32_t used() const { return blocks_ - free(); }

  // Appends `count` blocks to `to`; false and nothing changed when fewer are free.
  bool take(std::int32_t count, std::vector<std::int32_t>& to);

  // Empties `blocks` into the pool.
  void give_back(std::vector<std::int32_t>& blocks);

 private:
  std::int32_t blocks_;
  std::vector<std::int32_t> free_;  // the last is the next to be taken: warm in the cache
};

}  // namespace troupe::actors::batch
