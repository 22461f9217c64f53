// Remembers what the pieces of one text were encoded to: a few thousand words make up most of any
// text, and merging one takes ten times as long as finding it here.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe::model {

class PieceCache {
 public:
  // For one text, of `text_bytes` bytes, whose ids are all appended to `ids`. Both the pieces and
  // `ids` must outlive the cache.
  PieceCache(std::size_t text_bytes, std::vector<std::int32_t>& ids);

  // Appends to the ids what `encode` would, which itself appends when it is asked.
  template <typename Encode>
  void append(std::string_view piece, Encode&& encode) {
    if (slots_.empty() || piece.size() > kPieceBytesMax) return encode(piece, ids_);
    Slot& slot = slots_[hash_of(piece) & (slots_.size() - 1)];
    if (slot.piece == piece) return copy(slot);
    const std::size_t begin = ids_.size();
    encode(piece, ids_);
    slot = {piece, begin, ids_.size() - begin};
  }

 private:
  // Longer pieces hardly come twice.
  static constexpr std::size_t kPieceBytesMax = 32;

  struct Slot {
    std::string_view piece;  // empty: free
    std::size_t begin = 0;   // its ids are ids_[begin, begin + count)
    std::size_t count = 0;
  };

  static std::size_t hash_of(std::string_view piece);
  void copy(const Slot& slot);

  std::vector<std::int32_t>& ids_;
  std::vector<Slot> slots_;  // a power of two, or empty for a text not worth it
};

}  // namespace troupe::model
