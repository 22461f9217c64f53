// The ZeroMQ half of the core: introduction, answers, resumption, repetition, cancelling.
#include "tests/actors/gateway/core_fixture.hpp"

namespace troupe::actors::gateway::tests {
namespace {

namespace client = messages::client;
using messages::CancelRequest;
using messages::FailureCode;
using messages::FinishReason;
using messages::GenerateRequest;
using messages::Kind;

client::Generate generate(const std::string& id) { return {.id = id, .prompt = "Once"}; }

int number(Kind kind) { return static_cast<int>(kind); }

struct DoorFixture : CoreFixture {
  // Opens a streamed request, accepted, with "Hel" and "lo" emitted.
  void open_hello(const std::string& peer, const std::string& id) {
    client(peer, generate(id));
    chunk(accepted_chunk(kFirstId));
    chunk(text_chunk(kFirstId, "Hel"));
    chunk(text_chunk(kFirstId, "lo", 1));
  }

  client::Chunk resumed(std::uint64_t from) {
    client::Generate again = generate("a");
    again.resume_from = from;
    const Effects effects = client("p", again);
    BOOST_TEST(all<GenerateRequest>(effects).empty());
    return frame_at<client::Chunk>(effects, 1);
  }
};

BOOST_FIXTURE_TEST_SUITE(zmq_door, DoorFixture)

// The frames that docs/protocol.md prints.
BOOST_AUTO_TEST_CASE(the_documented_bytes_are_the_protocols) {
  using namespace std::string_literals;
  const std::string front = "TRPE\x01\x01"s;
  const std::string client_head = "TRPE\x01\x00"s;
  const std::string hello = client_head + "\x01\x00\0\0\0\0\0\0\0\0"s +
                            "\x82\xA7version\xA1"
                            "1\xA6"
                            "client\xA4"
                            "demo";
  only_frame<client::Welcome>(core.on_frame("p", hello, now));
  const std::string asked =
      client_head + "\x03\x00\0\0\0\0\0\0\0\0"s +
      "\x83\xA2id\xA2"
      "a1\xA6prompt\xA4Once\xA8sampling\x82\xAAmax_tokens\x08\xABtemperature"s +
      "\xCB\0\0\0\0\0\0\0\0"s;
  const auto request = only<GenerateRequest>(core.on_frame("p", asked, now));
  BOOST_TEST(request.prompt == "Once");
  BOOST_TEST(request.sampling.max_tokens == 8U);
  BOOST_TEST(request.sampling.temperature == 0.0F);
  chunk(accepted_chunk(kFirstId));
  auto piece = text_chunk(kFirstId, " upon");
  piece.tokens = {3714};
  BOOST_TEST(only<ZmqSend>(chunk(piece)).frame ==
             front + "\x05\x00\x03\0\0\0\0\0\0\0"s +
                 "\x87\xA2id\xA2"
                 "a1\xA6"
                 "choice\x00\xABtext_offset\x00\xA4text\xA5 upon"s +
                 "\xABtoken_begin\x00\xA9token_end\x01\xA6tokens\xC4\x04\x82\x0E\x00\x00"s);
}

BOOST_AUTO_TEST_CASE(hello_is_answered_with_the_limits) {
  const auto welcome =
      only_frame<client::Welcome>(client("p", client::Hello{.version = "1", .client = "test"}));
  BOOST_TEST(welcome.model == "tiny");
  BOOST_TEST(welcome.context_max == 2048U);
  BOOST_TEST(welcome.credit == config::kClientCreditDefault);
  BOOST_TEST(welcome.frame_bytes_max == kClientFrameBytesMax);
}

BOOST_AUTO_TEST_CASE(ping_is_answered_with_its_nonce) {
  BOOST_TEST(only_frame<client::Pong>(client("p", client::Ping{.nonce = 9})).nonce == 9U);
}

BOOST_AUTO_TEST_CASE(generate_becomes_a_request_with_a_drawn_seed) {
  client::Generate asked{.id = "a", .messages = {{"developer", "x"}, {"user", "y"}}};
  asked.sampling.choice = 7;
  asked.priority = 1;
  asked.deadline_ms = 900;
  const auto request = only<GenerateRequest>(client("p", asked));
  BOOST_TEST((request.prompt_kind == messages::PromptKind::kChat));
  BOOST_TEST(request.messages[0].role == "system");
  BOOST_TEST(request.sampling.seed == 77U);
  BOOST_TEST(request.sampling.choice == 0U);
  BOOST_TEST(request.priority == 1U);
  BOOST_TEST(request.deadline_ms == 900U);
}

BOOST_AUTO_TEST_CASE(an_answer_is_accepted_chunks_final) {
  client("p", generate("a"));
  BOOST_TEST(only_frame<client::Accepted>(chunk(accepted_chunk(kFirstId))).id == "a");
  const auto piece = only_frame<client::Chunk>(chunk(text_chunk(kFirstId, "Hi")));
  BOOST_TEST((piece == client::Chunk{.id = "a",
                                     .choice = 0,
                                     .text_offset = 0,
                                     .text = "Hi",
                                     .token_begin = 0,
                                     .token_end = 1,
                                     .tokens = {100}}));
  const Effects end = chunk(final_chunk(kFirstId, FinishReason::kLength));
  const auto last = only_frame<client::Final>(end);
  BOOST_TEST(last.reason == "length");
  BOOST_TEST(last.usage.total_tokens == 7U);
  BOOST_TEST(only<LogAccess>(end).record.finish == "length");
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(without_streaming_the_text_comes_in_one_chunk) {
  client::Generate whole = generate("a");
  whole.stream = false;
  client("p", whole);
  chunk(accepted_chunk(kFirstId));
  BOOST_TEST(all<ZmqSend>(chunk(text_chunk(kFirstId, "Hel"))).empty());
  BOOST_TEST(all<ZmqSend>(chunk(text_chunk(kFirstId, "lo", 1))).empty());
  const Effects end = chunk(final_chunk(kFirstId));
  BOOST_TEST(frame_kinds(end) == (std::vector<int>{number(Kind::kChunk), number(Kind::kFinal)}),
             boost::test_tools::per_element());
  BOOST_TEST(frame_at<client::Chunk>(end, 0).text == "Hello");
  BOOST_TEST(frame_at<client::Chunk>(end, 0).tokens.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_failure_is_an_error_with_its_code_and_advice) {
  client("p", generate("a"));
  const auto error =
      only_frame<client::Error>(chunk(error_chunk(kFirstId, FailureCode::kOverload)));
  BOOST_TEST(error.id == "a");
  BOOST_TEST(error.code == "overload");
  BOOST_TEST(error.retry_after_ms == 2'500U);
}

BOOST_AUTO_TEST_CASE(a_repeated_id_goes_on_from_its_offset_and_runs_once) {
  open_hello("p", "a");
  BOOST_TEST((resumed(0) == client::Chunk{.id = "a",
                                          .choice = 0,
                                          .text_offset = 0,
                                          .text = "Hello",
                                          .token_begin = 0,
                                          .token_end = 2,
                                          .tokens = {100, 101}}));
  BOOST_TEST((resumed(3) == client::Chunk{.id = "a",
                                          .choice = 0,
                                          .text_offset = 3,
                                          .text = "lo",
                                          .token_begin = 1,
                                          .token_end = 2,
                                          .tokens = {101}}));
  BOOST_TEST(resumed(4).text == "o");
  BOOST_TEST(resumed(4).token_begin == 1U);
  client::Generate whole = generate("a");
  whole.resume_from = 5;
  BOOST_TEST(only_frame<client::Accepted>(client("p", whole)).id == "a");
  BOOST_TEST(only_frame<client::Chunk>(chunk(text_chunk(kFirstId, "!", 2))).text_offset == 5U);
  BOOST_TEST(core.open_calls() == 1U);
}

BOOST_AUTO_TEST_CASE(an_offset_inside_a_character_goes_back_to_its_start) {
  client("p", generate("a"));
  chunk(text_chunk(kFirstId, "aé"));
  BOOST_TEST(resumed(2).text_offset == 1U);
  BOOST_TEST(resumed(2).text == "é");
}

BOOST_AUTO_TEST_CASE(an_offset_beyond_the_answer_ends_the_request) {
  open_hello("p", "a");
  client::Generate beyond = generate("a");
  beyond.resume_from = 6;
  const Effects effects = client("p", beyond);
  BOOST_TEST(only_frame<client::Error>(effects).code == "invalid");
  BOOST_TEST(only<CancelRequest>(effects).request_id == kFirstId);
}

BOOST_AUTO_TEST_CASE(a_finished_id_is_answered_again_and_not_run_again) {
  open_hello("p", "a");
  chunk(final_chunk(kFirstId));
  client::Generate again = generate("a");
  again.resume_from = 3;
  const Effects effects = client("p", again);
  BOOST_TEST(all<GenerateRequest>(effects).empty());
  BOOST_TEST(
      frame_kinds(effects) ==
          (std::vector<int>{number(Kind::kAccepted), number(Kind::kChunk), number(Kind::kFinal)}),
      boost::test_tools::per_element());
  BOOST_TEST(frame_at<client::Chunk>(effects, 1).text == "lo");
  again.resume_from = 6;
  BOOST_TEST(only_frame<client::Error>(client("p", again)).code == "invalid");
  BOOST_TEST(all<GenerateRequest>(client("q", generate("a"))).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_finished_id_whose_answer_is_forgotten_is_refused) {
  open_hello("p", "a");
  chunk(final_chunk(kFirstId));
  now.mono_ms += config::kResumeGraceDefault.count() + 1;
  core.on_tick(now);
  const Effects effects = client("p", generate("a"));
  BOOST_TEST(only_frame<client::Error>(effects).code == "invalid");
  BOOST_TEST(all<GenerateRequest>(effects).empty());
}

messages::TokenizedRequest of_front_before(std::uint64_t id, const std::string& peer) {
  return {.request_id = id, .origin = {.door = messages::Door::kZmq, .peer = peer, .id = "old"}};
}

BOOST_AUTO_TEST_CASE(a_request_of_the_front_before_goes_on_when_its_client_comes_back) {
  core.restore({{of_front_before(5, "p"), {accepted_chunk(5), text_chunk(5, "Hel")}}}, now);
  BOOST_TEST(core.open_calls() == 1U);
  BOOST_TEST(all<ZmqSend>(chunk(text_chunk(5, "lo", 1))).empty());  // nobody is there yet
  BOOST_TEST(all<ZmqSend>(core.on_tick(now)).empty());
  client::Generate again = generate("old");
  again.resume_from = 3;
  const Effects effects = client("p", again);
  BOOST_TEST(all<GenerateRequest>(effects).empty());
  BOOST_TEST(frame_at<client::Chunk>(effects, 1).text == "lo");
  BOOST_TEST(only_frame<client::Chunk>(chunk(text_chunk(5, "!", 2))).text == "!");
  BOOST_TEST(only_frame<client::Final>(chunk(final_chunk(5))).reason == "stop");
}

BOOST_AUTO_TEST_CASE(a_request_of_the_front_before_that_ended_is_there_for_its_client) {
  core.restore(
      {{of_front_before(5, "p"), {accepted_chunk(5), text_chunk(5, "Hi"), final_chunk(5)}}}, now);
  BOOST_TEST(core.open_calls() == 0U);
  const Effects effects = client("p", generate("old"));
  BOOST_TEST(frame_at<client::Chunk>(effects, 1).text == "Hi");
  BOOST_TEST(frame_at<client::Final>(effects, 2).reason == "stop");
}

BOOST_AUTO_TEST_CASE(a_request_of_the_front_before_whose_client_stays_away_is_cancelled) {
  core.restore({{of_front_before(5, "p"), {accepted_chunk(5)}}}, now);
  now.mono_ms += kRestoredGraceMs - 1;
  BOOST_TEST(all<CancelRequest>(core.on_tick(now)).empty());
  now.mono_ms += 1;
  BOOST_TEST(only<CancelRequest>(core.on_tick(now)).request_id == 5U);
}

BOOST_AUTO_TEST_CASE(a_forgotten_id_cannot_be_resumed) {
  client::Generate resume = generate("a");
  resume.resume_from = 3;
  BOOST_TEST(only_frame<client::Error>(client("p", resume)).code == "invalid");
}

BOOST_AUTO_TEST_CASE(the_memory_of_finished_ids_is_bounded) {
  for (std::size_t i = 0; i <= kFinishedIdsMax; ++i) {
    client("p", generate("r" + std::to_string(i)));
    chunk(final_chunk(kFirstId + i));
  }
  BOOST_TEST(all<GenerateRequest>(client("p", generate("r1"))).empty());
  BOOST_TEST(all<GenerateRequest>(client("p", generate("r0"))).size() == 1U);
}

BOOST_AUTO_TEST_CASE(two_clients_may_use_one_id) {
  client("p", generate("a"));
  client("q", generate("a"));
  BOOST_TEST(only<ZmqSend>(chunk(accepted_chunk(kFirstId))).peer == "p");
  BOOST_TEST(only<ZmqSend>(chunk(accepted_chunk(kFirstId + 1))).peer == "q");
}

BOOST_AUTO_TEST_CASE(cancel_ends_the_request_at_once_with_final) {
  open_hello("p", "a");
  BOOST_TEST(client("q", client::Cancel{.id = "a"}).empty());  // not its request
  const Effects effects = client("p", client::Cancel{.id = "a"});
  BOOST_TEST(only<CancelRequest>(effects).request_id == kFirstId);
  const auto last = only_frame<client::Final>(effects);
  BOOST_TEST(last.reason == "cancelled");
  BOOST_TEST(last.usage.completion_tokens == 2U);
  BOOST_TEST(chunk(text_chunk(kFirstId, "late", 2)).empty());
  BOOST_TEST(client("p", client::Cancel{.id = "a"}).empty());
}

BOOST_AUTO_TEST_CASE(credit_bounds_the_open_requests_of_one_client) {
  for (std::uint32_t i = 0; i < config::kClientCreditDefault; ++i) {
    BOOST_TEST(all<ZmqSend>(client("p", generate("r" + std::to_string(i)))).empty());
  }
  BOOST_TEST(only_frame<client::Error>(client("p", generate("one more"))).code == "overload");
  BOOST_TEST(all<GenerateRequest>(client("q", generate("one more"))).size() == 1U);
  chunk(final_chunk(kFirstId));
  BOOST_TEST(all<GenerateRequest>(client("p", generate("one more"))).size() == 1U);
}

BOOST_AUTO_TEST_CASE(clients_are_bounded_and_idle_ones_make_room) {
  client("busy", generate("a"));
  for (std::size_t i = 0; i < 2 * kZmqClientsMax; ++i) {
    now.mono_ms += 1;
    client("peer" + std::to_string(i), generate("a"));
    chunk(final_chunk(kFirstId + 1 + i));
  }
  BOOST_TEST(all<ZmqSend>(chunk(accepted_chunk(kFirstId))).size() == 1U);
}

BOOST_AUTO_TEST_CASE(draining_refuses_new_requests_and_resumes_old_ones) {
  open_hello("p", "a");
  core.on_drain();
  BOOST_TEST(only_frame<client::Error>(client("p", generate("b"))).code == "draining");
  BOOST_TEST(resumed(3).text == "lo");
}

BOOST_AUTO_TEST_CASE(without_workers_requests_are_unavailable) {
  core.on_readiness({.ready = false, .numerics_id = {}});
  const auto error = only_frame<client::Error>(client("p", generate("a")));
  BOOST_TEST(error.code == "unavailable");
  BOOST_TEST(error.retry_after_ms > 0U);
}

BOOST_AUTO_TEST_CASE(a_client_that_stays_away_loses_its_requests) {
  open_hello("p", "a");
  core.on_unreachable("p", now);
  now.mono_ms += kClientGraceMs - 1;
  BOOST_TEST(all<CancelRequest>(core.on_tick(now)).empty());
  now.mono_ms += 1;
  BOOST_TEST(only<CancelRequest>(core.on_tick(now)).request_id == kFirstId);
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(a_client_that_comes_back_keeps_its_requests) {
  open_hello("p", "a");
  core.on_unreachable("p", now);
  client("p", client::Ping{});
  now.mono_ms += kClientGraceMs;
  BOOST_TEST(all<CancelRequest>(core.on_tick(now)).empty());
  BOOST_TEST(core.open_calls() == 1U);
}

BOOST_AUTO_TEST_CASE(a_client_with_open_requests_is_pinged_and_its_pong_is_taken) {
  BOOST_TEST(core.on_tick(now).empty());
  open_hello("p", "a");
  BOOST_TEST(only_frame<client::Ping>(core.on_tick(now)).nonce == 0U);
  BOOST_TEST(client("p", client::Pong{}).empty());
}

BOOST_AUTO_TEST_CASE(a_gateway_that_goes_tells_its_zmq_clients) {
  open_hello("p", "a");
  BOOST_TEST(only_frame<client::Error>(core.fail_all(now)).code == "draining");
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(faults_of_a_generate_are_refused_under_its_id) {
  const auto refuse = [&](client::Generate faulty) {
    const Effects effects = client("p", faulty);
    BOOST_TEST(all<GenerateRequest>(effects).empty());
    return only_frame<client::Error>(effects);
  };
  client::Generate faulty = generate("a");
  faulty.sampling.temperature = std::numeric_limits<float>::quiet_NaN();
  BOOST_TEST(refuse(faulty).id == "a");
  BOOST_TEST(refuse(faulty).code == "invalid");
  faulty = generate("a");
  faulty.tokens = {1};
  BOOST_TEST(refuse(faulty).code == "invalid");
  BOOST_TEST(refuse({.id = "a"}).code == "invalid");
  BOOST_TEST(refuse({.id = "a", .tokens = {-1}}).code == "invalid");
  BOOST_TEST(refuse({.id = "a", .prompt = "\xFF"}).code == "invalid");
  BOOST_TEST(refuse({.id = "a", .messages = {{"tool", "x"}}}).code == "invalid");
  BOOST_TEST(refuse({.id = "a", .messages = {{"user", "\xC3"}}}).code == "invalid");
  faulty = generate("a");
  faulty.priority = 10;
  BOOST_TEST(refuse(faulty).code == "invalid");
  faulty = generate("a");
  faulty.sampling.top_logprobs = 1;
  BOOST_TEST(refuse(faulty).code == "invalid");
  BOOST_TEST(refuse(generate("")).id == "");
  BOOST_TEST(refuse(generate(std::string(129, 'x'))).id == "");
  BOOST_TEST(refuse(generate("\xFF")).id == "");
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway::tests
