// All chunks of a step are one frame, and no frame is larger than a link takes.
#include "actors/aggregate/chunk_frames.hpp"

#include <boost/test/unit_test.hpp>

#include "messages/wire_kinds.hpp"

namespace troupe::actors::aggregate {
namespace {

using messages::ReplyChunk;

// So many tokens with twenty alternatives each, as when a stop string did not come after all.
ReplyChunk held_back(std::uint64_t request, std::size_t tokens) {
  const messages::TokenAlternative one{
      .token = 1 << 30, .bytes = std::string(16, ' '), .logprob = -0.123456F};
  const messages::TokenLogprob logprob{.chosen = one, .top = std::vector(20, one)};
  return {.request_id = request,
          .text = std::string(tokens, 'a'),
          .tokens = std::vector<std::int32_t>(tokens, 1 << 30),
          .logprobs = std::vector(tokens, logprob)};
}

BOOST_AUTO_TEST_SUITE(chunk_frames)

BOOST_AUTO_TEST_CASE(what_a_step_brings_is_one_frame) {
  BOOST_TEST(into_frames({}).empty());
  const auto frames = into_frames(std::vector(256, held_back(1, 1)));
  BOOST_REQUIRE(frames.size() == 1U);
  BOOST_TEST(frames[0].chunks.size() == 256U);
}

BOOST_AUTO_TEST_CASE(what_is_larger_than_a_link_takes_goes_in_several_frames_and_in_order) {
  std::vector<ReplyChunk> chunks;
  for (std::uint64_t id = 0; id < 64; ++id) {
    chunks.push_back(held_back(id, config::kStopStringBytesMax));
  }
  std::uint64_t next = 0;
  for (const messages::ReplyChunks& frame : into_frames(std::move(chunks))) {
    BOOST_TEST(messages::encode(frame, 1).size() <= kChunkFrameBytes);
    for (const ReplyChunk& chunk : frame.chunks) BOOST_TEST(chunk.request_id == next++);
  }
  BOOST_TEST(next == 64U);
}

BOOST_AUTO_TEST_CASE(a_chunk_that_is_larger_than_a_frame_should_be_goes_alone) {
  const auto frames = into_frames({held_back(1, 1), held_back(2, 2'000), held_back(3, 1)});
  BOOST_REQUIRE(frames.size() == 3U);
  BOOST_TEST(frames[1].chunks.at(0).request_id == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::aggregate
