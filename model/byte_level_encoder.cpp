#include "model/byte_level_encoder.hpp"

#include <utility>

#include "model/piece_cache.hpp"

namespace troupe::model {

ByteLevelEncoder::ByteLevelEncoder(const VocabularyTables& tables,
                                   std::unique_ptr<const Pretokenizer> pretokenizer)
    : tables_(tables), pretokenizer_(std::move(pretokenizer)) {
  if (tables_.ignores_merges.value_or(pretokenizer_->prefers_whole_pieces())) {
    whole_ = std::make_unique<const TextIndex>(tables_.pieces);
  }
}

void ByteLevelEncoder::encode(std::string_view text,
                              bool /*at_start*/,
                              std::vector<std::int32_t>& ids) const {
  std::vector<std::string_view> pieces;
  pretokenizer_->split(text, pieces);
  std::vector<std::int32_t> bytes;
  PieceCache cache(text.size(), ids);
  for (const std::string_view piece : pieces) {
    cache.append(piece, [&](std::string_view missing, std::vector<std::int32_t>& out) {
      encode_piece(missing, bytes, out);
    });
  }
}

void ByteLevelEncoder::encode_piece(std::string_view piece,
                                    std::vector<std::int32_t>& bytes,
                                    std::vector<std::int32_t>& ids) const {
  if (whole_ != nullptr) {
    const auto id = whole_->find(piece);
    if (id && !tables_.special[static_cast<std::size_t>(*id)]) return ids.push_back(*id);
  }
  bytes.clear();
  for (const char character : piece) {
    const std::int32_t id = tables_.byte_ids[static_cast<unsigned char>(character)];
    if (id >= 0) bytes.push_back(id);
  }
  tables_.merges.apply(bytes, ids);
}

}  // namespace troupe::model
