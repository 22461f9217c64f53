#include "model/text_index.hpp"

#include <bit>

namespace troupe::model {
namespace {

// FNV-1a with 64 bits, www.isthe.com/chongo/tech/comp/fnv, folded.
std::uint32_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3ULL;
  return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

}  // namespace

TextIndex::TextIndex(const std::vector<std::string>& texts)
    : texts_(&texts), slots_(std::bit_ceil(2 * texts.size() + 1)) {
  for (std::size_t id = 0; id < texts.size(); ++id) {
    const std::uint32_t hash = hash_of(texts[id]);
    Slot& slot = slots_[slot_of(texts[id], hash)];
    if (slot.id < 0) slot = {hash, static_cast<std::int32_t>(id)};
  }
}

std::size_t TextIndex::slot_of(std::string_view text, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id < 0) return at;
    if (slot.hash == hash && (*texts_)[static_cast<std::size_t>(slot.id)] == text) return at;
  }
}

std::optional<std::int32_t> TextIndex::find(std::string_view text) const {
  const Slot& slot = slots_[slot_of(text, hash_of(text))];
  return slot.id < 0 ? std::nullopt : std::optional(slot.id);
}

}  // namespace troupe::model
