#include "model/sentencepiece_encoder.hpp"

#include <algorithm>
#include <limits>
#include <queue>

#include "config/check.hpp"
#include "model/piece_cache.hpp"
#include "model/sentencepiece_text.hpp"
#include "model/utf8.hpp"

namespace troupe::model {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// Where the word at the start of `text` ends: spaces, then what is not a space.
std::size_t word_bytes(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string_view::npos ? text.size()
                                         : std::min(text.find(' ', begin), text.size());
}

bool adds_space(SpacePrefix where, std::string_view text, bool at_start) {
  const bool has_space = text.starts_with(' ') || text.starts_with(sentencepiece::kSpace);
  switch (where) {
    case SpacePrefix::kNone:
      return false;
    case SpacePrefix::kAlways:
      return true;
    case SpacePrefix::kWhereMissing:
      return !has_space;
    case SpacePrefix::kAtStart:
      return at_start && !has_space;
  }
  return false;
}

std::vector<std::string> ordinary_pieces(const VocabularyTables& tables) {
  std::vector<std::string> texts(tables.pieces.size());
  for (std::size_t id = 0; id < texts.size(); ++id) {
    if (tables.ordinary[id]) texts[id] = tables.pieces[id];
  }
  return texts;
}

// A piece in the list of what is left; joining gives the left one the bytes of the right one and
// unlinks that.
struct Symbol {
  std::uint32_t begin = 0;  // in the word
  std::uint32_t bytes = 0;  // 0: unlinked
  std::uint32_t previous = kNone;
  std::uint32_t next = kNone;
};

// A pair that could be joined when it was queued. It is stale once either symbol has grown.
struct Candidate {
  double score = 0;
  std::uint32_t at = 0;     // index of the left symbol
  std::uint32_t bytes = 0;  // of both together
};

struct Later {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.score != b.score ? a.score < b.score : a.at > b.at;
  }
};

}  // namespace

// One run over one word.
class SentencepieceEncoder::Pass {
 public:
  Pass(const SentencepieceEncoder& encoder, std::string_view word)
      : encoder_(encoder), word_(word) {
    CHECK(word.size() < kNone, "callers refuse longer texts");
    for (std::size_t at = 0; at < word.size();) {
      const utf8::Sequence sequence = utf8::first_sequence(word.substr(at));
      // Bytes that are no character are joined with nothing.
      const std::size_t bytes = sequence.kind == utf8::SequenceKind::kValid ? sequence.bytes : 1;
      const auto index = static_cast<std::uint32_t>(symbols_.size());
      symbols_.push_back({static_cast<std::uint32_t>(at),
                          static_cast<std::uint32_t>(bytes),
                          index - 1,  // 0 - 1 is kNone
                          index + 1});
      at += bytes;
    }
    if (!symbols_.empty()) symbols_.back().next = kNone;
    for (std::uint32_t i = 0; i < symbols_.size(); ++i) queue_pair(i);
  }

  void run() {
    while (!queue_.empty()) {
      const Candidate candidate = queue_.top();
      queue_.pop();
      if (is_current(candidate)) join(candidate.at);
    }
  }

  void append_to(std::vector<std::int32_t>& ids) const {
    for (std::uint32_t at = symbols_.empty() ? kNone : 0; at != kNone; at = symbols_[at].next) {
      const std::string_view piece = word_.substr(symbols_[at].begin, symbols_[at].bytes);
      if (const auto id = encoder_.find(piece)) {
        ids.push_back(*id);
      } else {
        encoder_.encode_bytes(piece, ids);
      }
    }
  }

 private:
  void queue_pair(std::uint32_t at) {
    if (at == kNone || symbols_[at].next == kNone) return;
    const Symbol& left = symbols_[at];
    const std::uint32_t bytes = left.bytes + symbols_[left.next].bytes;
    const auto id = encoder_.find(word_.substr(left.begin, bytes));
    if (id) queue_.push({encoder_.tables_.scores[static_cast<std::size_t>(*id)], at, bytes});
  }

  bool is_current(const Candidate& candidate) const {
    const Symbol& left = symbols_[candidate.at];
    return left.bytes > 0 && left.next != kNone &&
           left.bytes + symbols_[left.next].bytes == candidate.bytes;
  }

  void join(std::uint32_t at) {
    Symbol& left = symbols_[at];
    Symbol& right = symbols_[left.next];
    left.bytes += right.bytes;
    left.next = right.next;
    right.bytes = 0;
    if (left.next != kNone) symbols_[left.next].previous = at;
    queue_pair(left.previous);
    queue_pair(at);
  }

  const SentencepieceEncoder& encoder_;
  std::string_view word_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate, std::vector<Candidate>, Later> queue_;
};

SentencepieceEncoder::SentencepieceEncoder(const VocabularyTables& tables)
    : tables_(tables), joinable_(ordinary_pieces(tables)), index_(joinable_) {
  for (const std::string& piece : joinable_) {
    piece_bytes_max_ = std::max(piece_bytes_max_, piece.size());
    // No piece has a space after another character.
    words_are_apart_ = words_are_apart_ && word_bytes(piece) == piece.size();
  }
  if (tables.kind != VocabularyKind::kUnigram) return;
  unigram_.emplace(joinable_, tables.scores);
  // An unknown stretch that no bytes can stand for is one token, over the ends of words, too.
  const auto& bytes = tables.byte_ids;
  words_are_apart_ = words_are_apart_ && std::find(bytes.begin(), bytes.end(), -1) == bytes.end();
}

std::optional<std::int32_t> SentencepieceEncoder::find(std::string_view piece) const {
  if (piece.size() > piece_bytes_max_) return std::nullopt;
  return index_.find(piece);
}

void SentencepieceEncoder::encode(std::string_view text,
                                  bool at_start,
                                  std::vector<std::int32_t>& ids) const {
  if (text.empty()) return;
  const bool prefix = adds_space(tables_.space_prefix, text, at_start);
  std::string changed;
  if (prefix || text.find(sentencepiece::kSpace) != std::string_view::npos) {
    // The original writes spaces as that character and cannot tell them apart afterwards.
    changed = sentencepiece::unescape(text);
    text = prefix ? changed.insert(0, 1, ' ') : changed;
  }
  if (!words_are_apart_) return encode_word(text, ids);
  PieceCache cache(text.size(), ids);
  while (!text.empty()) {
    const std::string_view word = text.substr(0, word_bytes(text));
    cache.append(word, [this](std::string_view missing, std::vector<std::int32_t>& out) {
      encode_word(missing, out);
    });
    text.remove_prefix(word.size());
  }
}

void SentencepieceEncoder::encode_word(std::string_view word,
                                       std::vector<std::int32_t>& ids) const {
  if (unigram_) {
    for (const UnigramPiece& piece : unigram_->split(word)) {
      if (piece.id >= 0) {
        ids.push_back(piece.id);
      } else {
        encode_bytes(piece.text, ids);
      }
    }
    return;
  }
  Pass pass(*this, word);
  pass.run();
  pass.append_to(ids);
}

void SentencepieceEncoder::encode_bytes(std::string_view bytes,
                                        std::vector<std::int32_t>& ids) const {
  const auto id_of = [this](char byte) {
    return tables_.byte_ids[static_cast<unsigned char>(byte)];
  };
  const bool known =
      std::all_of(bytes.begin(), bytes.end(), [&](char byte) { return id_of(byte) >= 0; });
  if (known) {
    for (const char byte : bytes) ids.push_back(id_of(byte));
  } else if (tables_.unknown >= 0) {
    ids.push_back(tables_.unknown);
  }
}

}  // namespace troupe::model
