#include "model/piece_cache.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace troupe::model {
namespace {

constexpr std::size_t kTextBytesMin = 256;  // a shorter text repeats too few words
constexpr std::size_t kSlotsMax = 8192;     // 256 KiB, which a core's second-level cache holds

}  // namespace

PieceCache::PieceCache(std::size_t text_bytes, std::vector<std::int32_t>& ids) : ids_(ids) {
  if (text_bytes >= kTextBytesMin) {
    slots_.resize(std::min(kSlotsMax, std::bit_ceil(text_bytes / 8)));
  }
}

std::size_t PieceCache::hash_of(std::string_view piece) {
  // Eight bytes at a time, mixed by an odd constant (the golden ratio in 64 bits). Collisions only
  // cost a merge.
  std::uint64_t hash = piece.size();
  while (piece.size() > 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, piece.data(), 8);
    hash = (std::rotl(hash, 23) ^ word) * 0x9E3779B97F4A7C15ULL;
    piece.remove_prefix(8);
  }
  std::uint64_t word = 0;
  for (const char byte : piece) word = word << 8U | static_cast<unsigned char>(byte);
  hash = (std::rotl(hash, 23) ^ word) * 0x9E3779B97F4A7C15ULL;
  return static_cast<std::size_t>(hash >> 40U);
}

void PieceCache::copy(const Slot& slot) {
  // Inserting a vector's own elements is not allowed: it may move.
  const std::size_t end = ids_.size();
  ids_.resize(end + slot.count);
  std::copy_n(ids_.begin() + static_cast<std::ptrdiff_t>(slot.begin),
              slot.count,
              ids_.begin() + static_cast<std::ptrdiff_t>(end));
}

}  // namespace troupe::model
