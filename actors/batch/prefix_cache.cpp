#include "actors/batch/prefix_cache.hpp"

#include <algorithm>
#include <utility>

#include "config/check.hpp"

namespace troupe::actors::batch {
namespace {

// The finalizer of SplitMix64 (Steele et al., doi.org/10.1145/2714064.2660195) over each value.
std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
  std::uint64_t z = hash + 0x9e3779b97f4a7c15U + value;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

std::uint64_t mixed(std::uint64_t hash, std::string_view text) {
  for (const char c : text) hash = mixed(hash, static_cast<unsigned char>(c));
  return mixed(hash, text.size());
}

}  // namespace

PrefixCache::PrefixCache(PrefixCacheOptions options)
    : options_(std::move(options)), entries_(static_cast<std::size_t>(options_.blocks)) {
  CHECK(options_.block_tokens > 0, "a block holds tokens");
}

void PrefixCache::acquire(std::span<const std::int32_t> tokens,
                          std::string_view salt,
                          std::vector<std::int32_t>& to) {
  const auto size = static_cast<std::size_t>(options_.block_tokens);
  std::int32_t parent = kRoot;
  for (; tokens.size() >= size; tokens = tokens.subspan(size)) {
    const std::span<const std::int32_t> own = tokens.first(size);
    const std::int32_t block = find(key_of(parent, own, salt), parent, own, salt);
    if (block == kNone) return;
    refer(block);
    to.push_back(block);
    parent = block;
  }
}

std::int32_t PrefixCache::publish(std::int32_t parent,
                                  std::span<const std::int32_t> tokens,
                                  std::string_view salt,
                                  std::int32_t block) {
  CHECK(tokens.size() == static_cast<std::size_t>(options_.block_tokens),
        "only whole blocks are published");
  CHECK(parent == kRoot || entry(parent).references > 0, "the publisher holds the parent");
  const std::uint64_t key = key_of(parent, tokens, salt);
  if (const std::int32_t same = find(key, parent, tokens, salt); same != kNone) {
    refer(same);
    return same;
  }
  Entry& fresh = entry(block);
  CHECK(fresh.tokens.empty(), "a block is published once before it is evicted");
  fresh.key = key;
  fresh.parent = parent;
  fresh.references = 1;
  fresh.tokens.assign(tokens.begin(), tokens.end());
  if (parent == kRoot) fresh.salt = salt;
  by_key_.emplace(key, block);
  return block;
}

// Last blocks first: of one sequence's blocks they are to be evicted first.
void PrefixCache::release(std::span<const std::int32_t> blocks) {
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    Entry& released = entry(*block);
    CHECK(released.references > 0, "a reference is given back once");
    if (--released.references == 0) append_unused(*block);
  }
}

std::int32_t PrefixCache::evict() {
  const std::int32_t block = oldest_;
  if (block == kNone) return kNone;
  unlink_unused(block);
  const auto [begin, end] = by_key_.equal_range(entry(block).key);
  by_key_.erase(std::find_if(begin, end, [&](const auto& item) { return item.second == block; }));
  entry(block) = Entry{};
  return block;
}

// The parent's own key stands for everything before it; a first block has the salt and the
// arithmetic in place of it.
std::uint64_t PrefixCache::key_of(std::int32_t parent,
                                  std::span<const std::int32_t> tokens,
                                  std::string_view salt) {
  std::uint64_t key =
      parent == kRoot ? mixed(mixed(0, options_.numerics_id), salt) : mixed(entry(parent).key, 1);
  for (const std::int32_t token : tokens) key = mixed(key, static_cast<std::uint32_t>(token));
  return key & options_.key_mask;
}

std::int32_t PrefixCache::find(std::uint64_t key,
                               std::int32_t parent,
                               std::span<const std::int32_t> tokens,
                               std::string_view salt) {
  const auto [begin, end] = by_key_.equal_range(key);
  const auto found = std::find_if(begin, end, [&](const auto& item) {
    const Entry& candidate = entry(item.second);
    return candidate.parent == parent && (parent != kRoot || candidate.salt == salt) &&
           std::ranges::equal(candidate.tokens, tokens);
  });
  return found == end ? kNone : found->second;
}

void PrefixCache::refer(std::int32_t block) {
  if (entry(block).references++ == 0) unlink_unused(block);
}

void PrefixCache::append_unused(std::int32_t block) {
  Entry& added = entry(block);
  added.older = newest_;
  added.newer = kNone;
  (newest_ == kNone ? oldest_ : entry(newest_).newer) = block;
  newest_ = block;
  ++unused_;
}

void PrefixCache::unlink_unused(std::int32_t block) {
  Entry& gone = entry(block);
  (gone.older == kNone ? oldest_ : entry(gone.older).newer) = gone.newer;
  (gone.newer == kNone ? newest_ : entry(gone.newer).older) = gone.older;
  gone.older = gone.newer = kNone;
  --unused_;
}

}  // namespace troupe::actors::batch
