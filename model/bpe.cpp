#include "model/bpe.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <queue>

#include "config/check.hpp"

namespace troupe::model {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// A token in the list of what is left; merging gives the left one the joined id and unlinks the
// right one.
struct Symbol {
  std::int32_t id = 0;
  std::uint32_t previous = kNone;
  std::uint32_t next = kNone;
};

// A pair that could be merged when it was queued. It is stale once either id has changed; ids only
// ever grow longer in text, so an id that is the same has not changed in between.
struct Candidate {
  std::int32_t rank = 0;
  std::uint32_t at = 0;  // index of the left symbol
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t merged = 0;
};

struct Later {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  }
};

constexpr std::int32_t kUnlinked = -1;  // id of a symbol that was merged into its left neighbour

}  // namespace

MergeTable::MergeTable(std::span<const Merge> merges, std::int32_t vocab) {
  std::vector<std::uint32_t> order(merges.size());
  std::iota(order.begin(), order.end(), 0U);
  // Stable by rank within a pair, because order starts sorted by rank.
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return merges[a].left != merges[b].left ? merges[a].left < merges[b].left
                                            : merges[a].right < merges[b].right;
  });
  first_rule_.assign(static_cast<std::size_t>(vocab) + 1, 0);
  rules_.reserve(merges.size());
  for (const std::uint32_t rank : order) {
    const Merge& merge = merges[rank];
    rules_.push_back({merge.right, static_cast<std::int32_t>(rank), merge.merged});
    ++first_rule_[static_cast<std::size_t>(merge.left) + 1];
  }
  std::partial_sum(first_rule_.begin(), first_rule_.end(), first_rule_.begin());
}

const MergeTable::Rule* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const auto begin = rules_.begin() + first_rule_[static_cast<std::size_t>(left)];
  const auto end = rules_.begin() + first_rule_[static_cast<std::size_t>(left) + 1];
  const auto found = std::lower_bound(
      begin, end, right, [](const Rule& rule, std::int32_t wanted) { return rule.right < wanted; });
  return found != end && found->right == right ? &*found : nullptr;
}

// One run over one list of tokens.
class MergeTable::Pass {
 public:
  Pass(const MergeTable& table, std::span<const std::int32_t> tokens) : table_(table) {
    CHECK(tokens.size() < kNone, "callers split longer texts");
    symbols_.reserve(tokens.size());
    for (std::uint32_t i = 0; i < tokens.size(); ++i) {
      symbols_.push_back({tokens[i], i - 1, i + 1});  // 0 - 1 is kNone
    }
    if (!symbols_.empty()) symbols_.back().next = kNone;
    for (std::uint32_t i = 0; i < symbols_.size(); ++i) queue_pair(i);
  }

  void run() {
    while (!queue_.empty()) {
      const Candidate candidate = queue_.top();
      queue_.pop();
      if (is_current(candidate)) merge(candidate);
    }
  }

  void append_to(std::vector<std::int32_t>& out) const {
    for (std::uint32_t at = symbols_.empty() ? kNone : 0; at != kNone; at = symbols_[at].next) {
      out.push_back(symbols_[at].id);
    }
  }

 private:
  void queue_pair(std::uint32_t at) {
    if (at == kNone || symbols_[at].next == kNone) return;
    const std::int32_t left = symbols_[at].id;
    const std::int32_t right = symbols_[symbols_[at].next].id;
    const Rule* rule = table_.find(left, right);
    if (rule != nullptr) queue_.push({rule->rank, at, left, right, rule->merged});
  }

  bool is_current(const Candidate& candidate) const {
    const Symbol& left = symbols_[candidate.at];
    return left.id == candidate.left && left.next != kNone &&
           symbols_[left.next].id == candidate.right;
  }

  void merge(const Candidate& candidate) {
    Symbol& left = symbols_[candidate.at];
    Symbol& right = symbols_[left.next];
    left.id = candidate.merged;
    left.next = right.next;
    right.id = kUnlinked;
    if (left.next != kNone) symbols_[left.next].previous = candidate.at;
    queue_pair(left.previous);
    queue_pair(candidate.at);
  }

  const MergeTable& table_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate, std::vector<Candidate>, Later> queue_;
};

void MergeTable::apply(std::span<const std::int32_t> tokens, std::vector<std::int32_t>& out) const {
  if (tokens.size() == 1) {
    out.push_back(tokens[0]);
    return;
  }
  Pass pass(*this, tokens);
  pass.run();
  pass.append_to(out);
}

}  // namespace troupe::model
