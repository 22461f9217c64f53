#include "actors/aggregate/chunk_frames.hpp"

#include <utility>

namespace troupe::actors::aggregate {
namespace {

// Names and numbers of a chunk, and of an alternative, in msgpack: more than they take.
constexpr std::size_t kChunkBytes = 512;
constexpr std::size_t kAlternativeBytes = 64;

std::size_t bytes_at_most(const messages::ReplyChunk& chunk) {
  std::size_t bytes = kChunkBytes + chunk.text.size() + chunk.failure.message.size() +
                      chunk.tokens.size() * sizeof(std::int32_t);
  for (const messages::TokenLogprob& logprob : chunk.logprobs) {
    bytes += kAlternativeBytes + logprob.chosen.bytes.size();
    for (const auto& other : logprob.top) bytes += kAlternativeBytes + other.bytes.size();
  }
  return bytes;
}

}  // namespace

std::vector<messages::ReplyChunks> into_frames(std::vector<messages::ReplyChunk> chunks) {
  std::vector<messages::ReplyChunks> frames;
  std::size_t bytes = 0;
  for (const messages::ReplyChunk& chunk : chunks) bytes += bytes_at_most(chunk);
  if (chunks.empty()) return frames;
  if (bytes <= kChunkFrameBytes) {  // nearly always
    frames.push_back({std::move(chunks)});
    return frames;
  }
  bytes = 0;
  for (messages::ReplyChunk& chunk : chunks) {
    const std::size_t more = bytes_at_most(chunk);
    if (frames.empty() || bytes + more > kChunkFrameBytes) {
      frames.emplace_back();
      bytes = 0;
    }
    bytes += more;
    frames.back().chunks.push_back(std::move(chunk));
  }
  return frames;
}

}  // namespace troupe::actors::aggregate
