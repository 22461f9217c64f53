#include "actors/batch/block_pool.hpp"

#include "config/check.hpp"

namespace troupe::actors::batch {

BlockPool::BlockPool(std::int32_t blocks) : blocks_(blocks) {
  for (std::int32_t block = blocks; block-- > 0;) free_.push_back(block);
}

bool BlockPool::take(std::int32_t count, std::vector<std::int32_t>& to) {
  if (count > free()) return false;
  to.insert(to.end(), free_.rbegin(), free_.rbegin() + count);
  free_.resize(free_.size() - static_cast<std::size_t>(count));
  return true;
}

void BlockPool::give_back(std::vector<std::int32_t>& blocks) {
  free_.insert(free_.end(), blocks.rbegin(), blocks.rend());
  blocks.clear();
  CHECK(free() <= blocks_, "a block is given back once");
}

}  // namespace troupe::actors::batch
