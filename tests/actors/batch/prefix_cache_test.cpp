// The prefix cache: what matches, who holds what, and what is forgotten first.
#include "actors/batch/prefix_cache.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <random>
#include <set>
#include <utility>

namespace troupe::actors::batch {
namespace {

using Tokens = std::vector<std::int32_t>;

PrefixCache cache_of(std::int32_t blocks = 8, std::uint64_t key_mask = ~std::uint64_t{0}) {
  return PrefixCache(
      {.blocks = blocks, .block_tokens = 2, .numerics_id = "n", .key_mask = key_mask});
}

// Publishes a sequence of whole blocks in `own` blocks and lets it go.
void compute(PrefixCache& cache, const Tokens& tokens, Tokens own, const std::string& salt = "") {
  for (std::size_t i = 0; i < own.size(); ++i) {
    const std::int32_t parent = i == 0 ? PrefixCache::kRoot : own[i - 1];
    own[i] = cache.publish(parent, std::span(tokens).subspan(2 * i, 2), salt, own[i]);
  }
  cache.release(own);
}

Tokens found(PrefixCache& cache, const Tokens& tokens, const std::string& salt = "") {
  Tokens blocks;
  cache.acquire(tokens, salt, blocks);
  cache.release(blocks);
  return blocks;
}

BOOST_AUTO_TEST_CASE(a_prompt_finds_the_whole_blocks_that_it_begins_with) {
  PrefixCache cache = cache_of();
  compute(cache, {1, 2, 3, 4}, {5, 6});
  BOOST_TEST(found(cache, {1, 2, 3, 4, 9}) == (Tokens{5, 6}));
  BOOST_TEST(found(cache, {1, 2, 3}) == (Tokens{5}));
  BOOST_TEST(found(cache, {1, 2, 4, 3}) == (Tokens{5}));
  BOOST_TEST(found(cache, {3, 4}).empty());  // the same tokens at another place are others
  BOOST_TEST(found(cache, {1}).empty());
}

BOOST_AUTO_TEST_CASE(requests_with_another_salt_share_nothing) {
  PrefixCache cache = cache_of();
  compute(cache, {1, 2, 3, 4}, {5, 6}, "a");
  BOOST_TEST(found(cache, {1, 2, 3, 4}, "b").empty());
  BOOST_TEST(found(cache, {1, 2, 3, 4}).empty());
  BOOST_TEST(found(cache, {1, 2, 3, 4}, "a") == (Tokens{5, 6}));
}

BOOST_AUTO_TEST_CASE(equal_keys_of_other_tokens_salts_or_parents_do_not_match) {
  PrefixCache cache = cache_of(8, 0);  // every key is 0
  compute(cache, {1, 2, 3, 4}, {0, 1}, "a");
  compute(cache, {7, 8, 3, 4}, {2, 3}, "a");
  compute(cache, {1, 2, 3, 4}, {4, 5}, "b");
  BOOST_TEST(found(cache, {1, 2, 3, 4}, "a") == (Tokens{0, 1}));
  BOOST_TEST(found(cache, {7, 8, 3, 4}, "a") == (Tokens{2, 3}));
  BOOST_TEST(found(cache, {1, 2, 3, 4}, "b") == (Tokens{4, 5}));
  BOOST_TEST(found(cache, {3, 4}, "a").empty());
}

BOOST_AUTO_TEST_CASE(who_computes_what_is_cached_already_gets_the_block_that_is) {
  PrefixCache cache = cache_of();
  BOOST_TEST(cache.publish(PrefixCache::kRoot, Tokens{1, 2}, "", 3) == 3);
  BOOST_TEST(cache.publish(PrefixCache::kRoot, Tokens{1, 2}, "", 4) == 3);
  cache.release(Tokens{3});
  BOOST_TEST(cache.unused() == 0);  // the second one holds it still
  cache.release(Tokens{3});
  BOOST_TEST(cache.unused() == 1);
}

BOOST_AUTO_TEST_CASE(what_was_released_longest_ago_is_evicted_first_and_ends_before_beginnings) {
  PrefixCache cache = cache_of();
  compute(cache, {1, 2, 3, 4}, {0, 1});
  compute(cache, {5, 6}, {2});
  found(cache, {1, 2});  // its first block is of use again
  BOOST_TEST(cache.unused() == 3);
  BOOST_TEST(cache.evict() == 1);
  BOOST_TEST(cache.evict() == 2);
  BOOST_TEST(cache.evict() == 0);
  BOOST_TEST(cache.evict() == PrefixCache::kNone);
  BOOST_TEST(found(cache, {1, 2}).empty());
}

BOOST_AUTO_TEST_CASE(a_block_in_use_is_never_evicted) {
  PrefixCache cache = cache_of();
  compute(cache, {1, 2, 3, 4}, {0, 1});
  Tokens held;
  cache.acquire(Tokens{1, 2}, "", held);
  BOOST_TEST(cache.evict() == 1);
  BOOST_TEST(cache.evict() == PrefixCache::kNone);
  cache.release(held);
  BOOST_TEST(cache.evict() == 0);
}

// Sequences over a small alphabet come and go, with keys that collide often. After every step a
// model made of nothing but tokens says what each block must hold.
BOOST_AUTO_TEST_CASE(in_any_order_a_hit_holds_exactly_the_tokens_that_were_asked_for) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random{seed};
    PrefixCache cache = cache_of(12, 3);
    std::set<std::int32_t> free;
    for (std::int32_t block = 0; block < 12; ++block) free.insert(block);
    std::map<std::int32_t, std::pair<Tokens, std::string>> content;  // all tokens up to its end
    std::vector<Tokens> held;
    for (int step = 0; step < 200; ++step) {
      if (!held.empty() && random() % 2 == 0) {
        const std::size_t victim = random() % held.size();
        cache.release(held[victim]);
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(victim));
        continue;
      }
      Tokens tokens(2 * (1 + random() % 3));
      for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(random() % 2);
      const std::string salt(random() % 2, 'x');
      Tokens blocks;
      cache.acquire(tokens, salt, blocks);
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        const Tokens prefix(tokens.begin(),
                            tokens.begin() + static_cast<std::ptrdiff_t>(2 * i + 2));
        BOOST_REQUIRE(content.at(blocks[i]) == std::pair(prefix, salt));
      }
      while (2 * blocks.size() < tokens.size()) {
        if (free.empty()) {
          const std::int32_t evicted = cache.evict();
          if (evicted == PrefixCache::kNone) break;
          free.insert(evicted);
        }
        const std::int32_t own = *free.begin();
        const std::int32_t parent = blocks.empty() ? PrefixCache::kRoot : blocks.back();
        const std::size_t begin = 2 * blocks.size();
        BOOST_REQUIRE(cache.publish(parent, std::span(tokens).subspan(begin, 2), salt, own) == own);
        free.erase(own);
        blocks.push_back(own);
        const auto end = tokens.begin() + static_cast<std::ptrdiff_t>(begin + 2);
        content[own] = {Tokens(tokens.begin(), end), salt};
      }
      held.push_back(blocks);
    }
    for (const Tokens& blocks : held) cache.release(blocks);
    BOOST_TEST(cache.unused() + static_cast<std::int32_t>(free.size()) == 12);
  }
}

}  // namespace
}  // namespace troupe::actors::batch
