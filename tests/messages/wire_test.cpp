// Frames: what is written is read back; what is broken is refused with a reason.
#include "messages/wire.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "messages/wire_kinds.hpp"

namespace troupe::messages {
namespace {

ReplyChunk sample_chunk() {
  return {.request_id = (std::uint64_t{7} << 40) + 3,
          .kind = ChunkKind::kFinal,
          .text_offset = 12,
          .text = "東京",
          .token_begin = 4,
          .token_end = 6,
          .tokens = {17, -1},
          .logprobs = {{.chosen = {.token = 17, .bytes = "\xE6", .logprob = -0.5F}, .top = {{}}}},
          .finish = FinishReason::kStop,
          .prompt_tokens = 9,
          .produced_tokens = 6,
          .failure = {.message = "none"}};
}

template <class Message>
WireError read(const std::string& frame, Message& message) {
  Header header;
  if (WireError error = read_header(frame, header); !error.empty()) return error;
  return decode(frame, message);
}

BOOST_AUTO_TEST_CASE(a_frame_is_read_back_as_it_was_written) {
  const ReplyChunks written{{sample_chunk(), sample_chunk()}};
  const std::string frame = encode(written, 42);
  Header header;
  BOOST_TEST(read_header(frame, header) == "");
  BOOST_TEST(header.epoch == 42U);
  BOOST_CHECK(header.kind == Kind::kReplyChunks);
  ReplyChunks found;
  BOOST_TEST(decode(frame, found) == "");
  BOOST_CHECK(found == written);
}

BOOST_AUTO_TEST_CASE(the_header_lies_as_the_protocol_page_says) {
  const std::string frame = encode(client::Ping{.nonce = 5}, 0x0102030405060708U);
  BOOST_TEST(frame.substr(0, 4) == "TRPE");
  BOOST_TEST(frame.substr(4, 4) == std::string("\x01\x01\x09\x00", 4));
  BOOST_TEST(frame.substr(8, 8) == std::string("\x08\x07\x06\x05\x04\x03\x02\x01", 8));
  BOOST_TEST(frame.substr(16) == std::string("\x81\xA5nonce\x05", 8));
}

BOOST_AUTO_TEST_CASE(tokens_travel_as_one_binary_item_of_little_endian_int32) {
  const std::string frame = encode(client::Generate{.id = "a", .tokens = {1, 258}}, 0);
  const std::string expected("\xA6tokens\xC4\x08\x01\x00\x00\x00\x02\x01\x00\x00", 17);
  BOOST_TEST(frame.find(expected) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(missing_keys_keep_their_defaults_and_unknown_ones_are_ignored) {
  std::string frame;
  append_header(frame, {.kind = Kind::kGenerate});
  frame += std::string("\x82\xA2id\xA1z\xA3new\xC3", 11);
  client::Generate generate;
  BOOST_TEST(read(frame, generate) == "");
  BOOST_TEST(generate.id == "z");
  BOOST_TEST(generate.stream);
  BOOST_TEST(generate.priority == 5U);
}

BOOST_AUTO_TEST_CASE(every_shorter_frame_is_refused) {
  const std::string frame = encode(ReplyChunks{{sample_chunk()}}, 1);
  for (std::size_t size = 0; size < frame.size(); ++size) {
    ReplyChunks chunk;
    BOOST_TEST(read(frame.substr(0, size), chunk) != "");
  }
}

BOOST_AUTO_TEST_CASE(another_magic_and_another_major_version_are_refused) {
  std::string frame = encode(client::Ping{}, 0);
  Header header;
  frame[0] = 'X';
  BOOST_TEST(read_header(frame, header) == "the frame does not begin with TRPE");
  frame[0] = 'T';
  frame[4] = 2;
  BOOST_TEST(read_header(frame, header) == "protocol version 2 is not spoken here, only 1");
}

BOOST_AUTO_TEST_CASE(another_minor_version_is_read) {
  std::string frame = encode(client::Ping{.nonce = 3}, 0);
  frame[5] = 9;
  client::Ping ping;
  BOOST_TEST(read(frame, ping) == "");
  BOOST_TEST(ping.nonce == 3U);
}

BOOST_AUTO_TEST_CASE(bytes_after_the_body_are_refused) {
  client::Ping ping;
  BOOST_TEST(read(encode(client::Ping{}, 0) + "x", ping) == "bytes follow the msgpack body");
}

BOOST_AUTO_TEST_CASE(a_body_that_is_no_map_is_refused) {
  std::string frame;
  append_header(frame, {.kind = Kind::kPing});
  client::Ping ping;
  BOOST_TEST(read(frame + '\x90', ping) == "the body is not a msgpack map");
}

BOOST_AUTO_TEST_CASE(a_field_of_another_type_is_named_by_its_message) {
  std::string frame;
  append_header(frame, {.kind = Kind::kPing});
  client::Ping ping;
  BOOST_TEST(read(frame + "\x81\xA5nonce\xA1x", ping).find("Ping") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(token_bytes_that_are_no_whole_number_of_ids_are_refused) {
  std::string frame;
  append_header(frame, {.kind = Kind::kGenerate});
  client::Generate generate;
  BOOST_TEST(read(frame + std::string("\x81\xA6tokens\xC4\x03"
                                      "abc",
                                      13),
                  generate) != "");
}

BOOST_AUTO_TEST_CASE(a_declared_container_beyond_its_bound_is_refused_before_it_is_allocated) {
  std::string frame;
  append_header(frame, {.kind = Kind::kPing});
  client::Ping ping;
  const std::string huge_array("\x81\xA5nonce\xDD\x7F\xFF\xFF\xFF", 12);
  BOOST_TEST(read(frame + huge_array, ping).find("over its limit") != std::string::npos);
  const std::string deep = "\x81\xA5nonce" + std::string(1000, '\x91');
  BOOST_TEST(read(frame + deep, ping) != "");
}

BOOST_AUTO_TEST_CASE(random_damage_never_does_more_than_refuse) {
  std::mt19937 random{20261122};
  const std::string frame = encode(ReplyChunks{{sample_chunk()}}, 1);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = frame;
    for (int flips = 0; flips < 3; ++flips)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    ReplyChunks chunk;
    (void)read(damaged, chunk);
  }
  ReplyChunks chunk;
  BOOST_TEST(read(frame, chunk) == "");
}

}  // namespace
}  // namespace troupe::messages
