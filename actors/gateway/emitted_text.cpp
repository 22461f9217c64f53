#include "actors/gateway/emitted_text.hpp"

#include "config/check.hpp"

namespace troupe::actors::gateway {

void EmittedText::append(const messages::ReplyChunk& chunk) {
  if (chunk.text.empty() && chunk.tokens.empty()) return;
  text_ += chunk.text;
  tokens_.insert(tokens_.end(), chunk.tokens.begin(), chunk.tokens.end());
  marks_.push_back({text_.size(), tokens()});
}

messages::client::Chunk EmittedText::from(std::uint64_t offset) const {
  CHECK(offset <= text_.size(), "the caller refuses offsets beyond the text");
  while (offset > 0 && offset < text_.size() && (text_[offset] & '\xC0') == '\x80') --offset;
  std::uint32_t token_begin = 0;
  std::uint64_t piece_begin = 0;
  for (const Mark& mark : marks_) {
    const bool only_tokens = mark.text_end == piece_begin;
    if (mark.text_end > offset || (mark.text_end == offset && only_tokens)) break;
    token_begin = mark.token_end;
    piece_begin = mark.text_end;
  }
  return {.id = {},
          .choice = 0,
          .text_offset = offset,
          .text = text_.substr(offset),
          .token_begin = token_begin,
          .token_end = tokens(),
          .tokens = {tokens_.begin() + token_begin, tokens_.end()}};
}

}  // namespace troupe::actors::gateway
