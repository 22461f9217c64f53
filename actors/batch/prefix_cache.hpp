// Which KV blocks hold which tokens, so that a prompt whose beginning was computed before need not
// be computed again. Pure bookkeeping; keys and values lie in the engine's cache.
//
// A block is found by a hash over its parent's key, its own token ids, the numerics_id and the
// salt, as in vLLM's prefix cache (docs.vllm.ai, "Automatic Prefix Caching"); unlike there, the
// hash is only a way to look: the ids, the salt and the parent itself are compared before a block
// is used.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe::actors::batch {

struct PrefixCacheOptions {
  std::int32_t blocks = 0;                     // of the whole KV pool
  std::int32_t block_tokens = 0;               // tokens in one of them
  std::string numerics_id;                     // blocks of other arithmetic must never match
  std::uint64_t key_mask = ~std::uint64_t{0};  // tests make keys collide with fewer bits
};

class PrefixCache {
 public:
  explicit PrefixCache(PrefixCacheOptions options);

  // Appends to `to` the longest run of cached blocks that `tokens` begin with, and takes a
  // reference to each. Only whole blocks match.
  void acquire(std::span<const std::int32_t> tokens,
               std::string_view salt,
               std::vector<std::int32_t>& to);

  // `block` holds `tokens` [block_tokens], which follow those of `parent` (kRoot: none do). The
  // caller holds a reference to the parent, and gets one to the block that is returned: `block`, or
  // the one that holds the same tokens already. Then `block` is of no use.
  std::int32_t publish(std::int32_t parent,
                       std::span<const std::int32_t> tokens,
                       std::string_view salt,
                       std::int32_t block);

  // Gives back one reference to each of a sequence's cached blocks (in order, from its first on).
  // Their content stays until it is evicted.
  void release(std::span<const std::int32_t> blocks);

  // Forgets the block that was released longest ago and returns it; kNone when all are in use. A
  // block is always evicted before its parent, so what is cached can be reached.
  std::int32_t evict();

  // Blocks that nobody uses and whose content is kept.
  std::int32_t unused() const { return unused_; }

  static constexpr std::int32_t kRoot = -1;
  static constexpr std::int32_t kNone = -1;

 private:
  // A block's entry lies at the block's index.
  struct Entry {
    std::uint64_t key = 0;
    std::int32_t parent = kRoot;
    std::int32_t references = 0;
    std::int32_t older = kNone;  // neighbours in the list of unused blocks
    std::int32_t newer = kNone;
    std::vector<std::int32_t> tokens;  // [block_tokens]
    std::string salt;                  // kept by first blocks; their children inherit it
  };

  Entry& entry(std::int32_t block) { return entries_[static_cast<std::size_t>(block)]; }

  std::uint64_t key_of(std::int32_t parent,
                       std::span<const std::int32_t> tokens,
                       std::string_view salt);
  std::int32_t find(std::uint64_t key,
                    std::int32_t parent,
                    std::span<const std::int32_t> tokens,
                    std::string_view salt);
  void refer(std::int32_t block);
  void append_unused(std::int32_t block);
  void unlink_unused(std::int32_t block);

  PrefixCacheOptions options_;
  std::vector<Entry> entries_;                                   // [blocks]
  std::unordered_multimap<std::uint64_t, std::int32_t> by_key_;  // key → block
  std::int32_t oldest_ = kNone;                                  // unused blocks: the next to go
  std::int32_t newest_ = kNone;
  std::int32_t unused_ = 0;
};

}  // namespace troupe::actors::batch
