// Byte-pair merging: joins neighbouring tokens by a ranked list of pairs until no listed pair is
// left. Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units",
// arxiv.org/abs/1508.07909
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace troupe::model {

// One rule. Its rank is its place in the list: the lowest is applied first.
struct Merge {
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t merged = 0;
};

class MergeTable {
 public:
  MergeTable() = default;

  // Ids must be in [0, vocab). Of two rules for one pair the first counts.
  MergeTable(std::span<const Merge> merges, std::int32_t vocab);

  // Appends to `out` what `tokens` merge to: of all listed pairs the lowest rank first, leftmost
  // first among equals. O(n log n) in the number of tokens.
  void apply(std::span<const std::int32_t> tokens, std::vector<std::int32_t>& out) const;

 private:
  // A rule under its left id.
  struct Rule {
    std::int32_t right = 0;
    std::int32_t rank = 0;
    std::int32_t merged = 0;
  };

  class Pass;

  const Rule* find(std::int32_t left, std::int32_t right) const;

  std::vector<std::uint32_t>
      first_rule_;  // [vocab + 1]: rules of left id i are [first_rule_[i], first_rule_[i + 1])
  std::vector<Rule> rules_;  // by left id, then right id
};

}  // namespace troupe::model
