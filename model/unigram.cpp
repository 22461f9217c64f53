#include "model/unigram.hpp"

#include <algorithm>
#include <limits>

#include "config/check.hpp"
#include "model/utf8.hpp"

namespace troupe::model {
namespace {

// Bytes of the character at the start of `text`; 1 for what is none.
std::size_t character_bytes(std::string_view text) {
  const utf8::Sequence sequence = utf8::first_sequence(text);
  return sequence.kind == utf8::SequenceKind::kValid ? sequence.bytes : 1;
}

}  // namespace

struct Unigram::Best {
  double score = -std::numeric_limits<double>::infinity();
  std::uint32_t begin = 0;  // of the last piece
  std::int32_t id = -1;
  bool reached = false;

  void offer(double offered, std::size_t from, std::int32_t piece) {
    if (reached && offered <= score) return;
    *this = {offered, static_cast<std::uint32_t>(from), piece, true};
  }
};

Unigram::Unigram(const std::vector<std::string>& pieces, const std::vector<double>& scores)
    : scores_(scores), index_(pieces) {
  double worst = 0;
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].empty()) continue;
    CHECK(pieces[id].size() <= kPieceBytesMax, "longer ones are refused with the vocabulary");
    piece_bytes_max_ = std::max(piece_bytes_max_, pieces[id].size());
    worst = std::min(worst, scores[id]);
  }
  unknown_score_ = worst - kUnknownPenalty;
}

// Offers every piece that begins at `from`, and its character alone where no piece is that.
void Unigram::reach(std::string_view text, std::size_t from, std::vector<Best>& best) const {
  const double before = best[from].score;
  const std::size_t first = character_bytes(text.substr(from));
  bool is_alone = false;
  std::size_t bytes = 0;
  while (from + bytes < text.size()) {
    bytes += character_bytes(text.substr(from + bytes));
    if (bytes > piece_bytes_max_) break;
    const auto id = index_.find(text.substr(from, bytes));
    if (!id) continue;
    best[from + bytes].offer(before + scores_[static_cast<std::size_t>(*id)], from, *id);
    is_alone = is_alone || bytes == first;
  }
  if (!is_alone) best[from + first].offer(before + unknown_score_, from, -1);
}

std::vector<UnigramPiece> Unigram::split(std::string_view text) const {
  CHECK(text.size() < std::numeric_limits<std::uint32_t>::max(), "callers refuse longer texts");
  std::vector<Best> best(text.size() + 1);
  best[0].offer(0, 0, -1);
  for (std::size_t at = 0; at < text.size(); at += character_bytes(text.substr(at)))
    reach(text, at, best);
  std::vector<UnigramPiece> pieces;
  for (std::size_t end = text.size(); end > 0; end = best[end].begin) {
    const std::string_view piece = text.substr(best[end].begin, end - best[end].begin);
    if (best[end].id < 0 && !pieces.empty() && pieces.back().id < 0) {
      // Both lie in `text`, one after the other.
      pieces.back().text = {piece.data(), piece.size() + pieces.back().text.size()};
    } else {
      pieces.push_back({piece, best[end].id});
    }
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

}  // namespace troupe::model
