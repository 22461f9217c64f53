// Byte-level BPE, as GPT-2, Llama 3, Qwen and SmolLM have it: text is cut into pieces, and the
// bytes of each piece are merged.
#pragma once

#include <memory>

#include "model/pretokenizer.hpp"
#include "model/text_encoder.hpp"
#include "model/text_index.hpp"
#include "model/vocabulary.hpp"

namespace troupe::model {

class ByteLevelEncoder final : public TextEncoder {
 public:
  // `tables` must outlive it.
  ByteLevelEncoder(const VocabularyTables& tables,
                   std::unique_ptr<const Pretokenizer> pretokenizer);

  void encode(std::string_view text, bool at_start, std::vector<std::int32_t>& ids) const override;

 private:
  void encode_piece(std::string_view piece,
                    std::vector<std::int32_t>& bytes,
                    std::vector<std::int32_t>& ids) const;

  const VocabularyTables& tables_;
  std::unique_ptr<const Pretokenizer> pretokenizer_;
  std::unique_ptr<const TextIndex> whole_;  // null: merges alone decide
};

}  // namespace troupe::model
