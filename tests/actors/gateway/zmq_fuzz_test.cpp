// Frames of any bytes: each is answered with at most an error, and the next good one still works.
#include <random>

#include "tests/actors/gateway/core_fixture.hpp"

namespace troupe::actors::gateway::tests {
namespace {

namespace client = messages::client;

client::Error refused(GatewayCore& core, const std::string& frame) {
  return only_frame<client::Error>(core.on_frame("p", frame, {}));
}

std::string frame_of_kind(std::uint16_t kind, const std::string& body) {
  std::string frame;
  messages::append_header(frame, {.kind = static_cast<messages::Kind>(kind)});
  return frame + body;
}

client::Generate rich_generate() {
  client::Generate rich{
      .id = "fuzz", .messages = {{"system", "Be brief."}, {"user", "Why?"}}, .deadline_ms = 1'000};
  rich.sampling.stop = {"\n\n"};
  rich.sampling.logit_bias = {{5, 1.5F}};
  return rich;
}

BOOST_FIXTURE_TEST_SUITE(zmq_fuzz, CoreFixture)

BOOST_AUTO_TEST_CASE(what_is_no_frame_is_malformed) {
  for (const std::string& frame : {std::string(),
                                   std::string("TRPE"),
                                   std::string(16, '\0'),
                                   std::string("GET / HTTP/1.1\r\n\r\n"),
                                   frame_of_kind(3, ""),
                                   frame_of_kind(3, "\x90"),      // an array, not a map
                                   frame_of_kind(3, "\x80\x80"),  // bytes behind the map
                                   frame_of_kind(3, "\x81\xA2id\x07")}) {
    const auto error = refused(core, frame);
    BOOST_TEST(error.code == "malformed");
    BOOST_TEST(error.id == "");
    BOOST_TEST(!error.message.empty());
  }
}

BOOST_AUTO_TEST_CASE(kinds_that_clients_do_not_send_are_malformed) {
  constexpr std::uint16_t kinds[] = {0, 2, 4, 5, 6, 7, 11, 64, 76, 100, 65535};
  for (const std::uint16_t kind : kinds) {
    BOOST_TEST(refused(core, frame_of_kind(kind, "\x80")).code == "malformed");
  }
}

BOOST_AUTO_TEST_CASE(another_major_version_is_refused) {
  std::string frame = messages::encode(client::Ping{}, 0);
  frame[4] = 2;
  BOOST_TEST(refused(core, frame).message.find("version 2") != std::string::npos);
  frame[4] = 1;
  frame[5] = 9;  // a newer minor may add fields, which are ignored
  only_frame<client::Pong>(core.on_frame("p", frame, {}));
}

BOOST_AUTO_TEST_CASE(unknown_fields_are_ignored) {
  const std::string frame = frame_of_kind(9, "\x82\xA5nonce\x05\xA3new\x93\x01\x02\x03");
  BOOST_TEST(only_frame<client::Pong>(core.on_frame("p", frame, {})).nonce == 5U);
}

BOOST_AUTO_TEST_CASE(a_frame_above_the_limit_is_too_large) {
  client::Generate big{.id = "a", .prompt = std::string(kClientFrameBytesMax, 'x')};
  BOOST_TEST(refused(core, messages::encode(big, 0)).code == "too_large");
}

BOOST_AUTO_TEST_CASE(declared_sizes_and_depths_are_not_believed) {
  const std::string map = "\x81\xA6prompt";
  for (const std::string& lie : {std::string("\xDD\xFF\xFF\xFF\xFF"),  // 2^32 items
                                 std::string("\xDF\xFF\xFF\xFF\xFF"),  // 2^32 pairs
                                 std::string("\xDB\xFF\xFF\xFF\xFF"),  // 4 GiB of text
                                 std::string("\xC6\xFF\xFF\xFF\xFF"),  // 4 GiB of bytes
                                 std::string(1'000'000, '\x91')}) {    // a deep nest
    BOOST_TEST(refused(core, frame_of_kind(3, map + lie)).code == "malformed");
  }
}

// One to four random edits of a good frame. Whatever comes of it, the core answers with frames that
// can be read, and the other client's request is not touched.
BOOST_AUTO_TEST_CASE(mutated_frames_crash_nothing_and_disturb_nobody) {
  client("other", client::Generate{.id = "a", .prompt = "x"});
  std::mt19937_64 random(20'240'601);
  const std::string good = messages::encode(rich_generate(), 0);
  for (int round = 0; round < 20'000; ++round) {
    std::string frame = good;
    for (std::uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % frame.size();
      switch (random() % 4) {
        case 0:
          frame[at] = static_cast<char>(random());
          break;
        case 1:
          frame.erase(at, 1 + random() % 8);
          break;
        case 2:
          frame.insert(at, 1, static_cast<char>(random()));
          break;
        default:
          frame.resize(at + 1);
      }
      if (frame.empty()) frame = "T";
    }
    const Effects effects = core.on_frame("p", frame, now);
    BOOST_REQUIRE(!effects.empty() || core.open_calls() > 1);
    for (const auto& request : all<messages::GenerateRequest>(effects)) {
      BOOST_REQUIRE(!find_fault(request.sampling));
      chunk(final_chunk(request.request_id));
    }
    for (const auto& send : all<ZmqSend>(effects)) {
      BOOST_REQUIRE_EQUAL(send.peer, "p");
      messages::Header header;
      BOOST_REQUIRE_EQUAL(messages::read_header(send.frame, header), "");
    }
  }
  BOOST_TEST(only<ZmqSend>(chunk(accepted_chunk(kFirstId))).peer == "other");
}

BOOST_AUTO_TEST_CASE(random_bytes_behind_a_good_header_are_answered) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string body(random() % 64, '\0');
    for (char& byte : body) byte = static_cast<char>(random());
    const auto kind = static_cast<std::uint16_t>(random() % 12);
    const Effects effects = core.on_frame("p", frame_of_kind(kind, body), now);
    for (const auto& request : all<messages::GenerateRequest>(effects)) {
      chunk(final_chunk(request.request_id));
    }
  }
  only_frame<client::Pong>(client("p", client::Ping{}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway::tests
