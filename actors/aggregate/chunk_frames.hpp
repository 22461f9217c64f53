// Which chunks travel to the gateway together. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "config/limits.hpp"
#include "messages/reply_chunk.hpp"

namespace troupe::actors::aggregate {

// A frame takes no further chunk beyond this. One chunk alone has at most some 1 MiB: as many
// tokens as a stop string has bytes are held back and come at once, each with twenty alternatives.
inline constexpr std::size_t kChunkFrameBytes = config::kFrameBytesMax / 4;

// In their order; all that a step brings is one frame, unless it is larger than that.
std::vector<messages::ReplyChunks> into_frames(std::vector<messages::ReplyChunk> chunks);

}  // namespace troupe::actors::aggregate
