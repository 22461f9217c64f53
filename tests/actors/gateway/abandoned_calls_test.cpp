// One call ends with an error of ours, and the others go on; what comes twice is had once.
#include "actors/gateway/json_text.hpp"
#include "tests/actors/gateway/core_fixture.hpp"

namespace troupe::actors::gateway::tests {
namespace {

namespace client = messages::client;
using messages::CancelRequest;

BOOST_FIXTURE_TEST_SUITE(abandoned_calls, CoreFixture)

BOOST_AUTO_TEST_CASE(a_stream_over_which_something_broke_ends_with_an_error_and_the_others_go_on) {
  chat(1, R"(, "stream": true)");
  chat(2, R"(, "stream": true)");
  for (const std::uint64_t id : {kFirstId, kFirstId + 1}) chunk(accepted_chunk(id));
  chunk(text_chunk(kFirstId, "a"));
  const Effects effects = core.abandon_chunk(kFirstId, now);
  BOOST_TEST(only<CancelRequest>(effects).request_id == kFirstId);
  BOOST_TEST(written(effects).find("internal") != std::string::npos);
  BOOST_TEST(written(effects).find("data: [DONE]") != std::string::npos);
  BOOST_TEST(only<HttpStreamEnd>(effects).connection == 1U);
  BOOST_TEST(core.open_calls() == 1U);
  BOOST_TEST(written(chunk(text_chunk(kFirstId + 1, "x"))).find("x") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_call_that_broke_before_its_answer_is_answered_with_500) {
  chat(1);
  const auto known = only<HttpRespond>(core.abandon_http(1, now));
  BOOST_TEST(known.response.status == 500);
  BOOST_TEST(core.open_calls() == 0U);
  const auto unknown = only<HttpRespond>(core.abandon_http(7, now));
  BOOST_TEST(unknown.response.status == 500);
  BOOST_TEST(Json::parse(unknown.response.body)["error"]["code"] == "internal");
}

BOOST_AUTO_TEST_CASE(a_zmq_request_that_broke_ends_with_an_error_and_is_cancelled) {
  client("p", client::Generate{.id = "a", .prompt = "x"});
  const Effects effects = core.abandon_chunk(kFirstId, now);
  BOOST_TEST(only<CancelRequest>(effects).request_id == kFirstId);
  BOOST_TEST(only_frame<client::Error>(effects).code == "internal");
}

BOOST_AUTO_TEST_CASE(a_frame_that_broke_is_answered_under_its_id) {
  const client::Generate generate{.id = "a", .prompt = "x"};
  const std::string frame = messages::encode(generate, 0);
  const auto unknown = only_frame<client::Error>(core.abandon_frame("p", frame, now));
  BOOST_TEST(unknown.id == "a");
  client("p", generate);
  const Effects open = core.abandon_frame("p", frame, now);
  BOOST_TEST(only<CancelRequest>(open).request_id == kFirstId);
  BOOST_TEST(only_frame<client::Error>(open).code == "internal");
}

BOOST_AUTO_TEST_CASE(a_call_whose_last_chunk_throws_does_not_hang) {
  fail_at("finish", kFirstId);
  chat(1);
  chunk(accepted_chunk(kFirstId));
  chunk(text_chunk(kFirstId, "a"));
  std::string broken;
  const auto end = only<HttpRespond>(core.on_chunks({{final_chunk(kFirstId)}}, now, &broken));
  BOOST_TEST(end.response.status == 500);
  BOOST_TEST(broken == "on purpose");
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(a_stream_whose_last_chunk_throws_ends_with_an_error) {
  fail_at("finish", kFirstId);
  chat(1, R"(, "stream": true)");
  chunk(accepted_chunk(kFirstId));
  const Effects effects = chunk(final_chunk(kFirstId));
  BOOST_TEST(written(effects).find("internal") != std::string::npos);
  BOOST_TEST(all<HttpStreamEnd>(effects).size() == 1U);
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(a_call_that_throws_at_the_tick_takes_it_from_nobody_else) {
  fail_at("tick", kFirstId);
  fail_at("tick", kFirstId + 2);
  chat(1, R"(, "stream": true)");
  chat(2, R"(, "stream": true)");
  client("p", client::Generate{.id = "a", .prompt = "x"});
  client("q", client::Generate{.id = "b", .prompt = "x"});
  for (std::uint64_t id = kFirstId; id < kFirstId + 4; ++id) chunk(accepted_chunk(id));
  now.mono_ms += config::kSsePingInterval.count();
  std::string broken;
  const Effects effects = core.on_tick(now, &broken);
  BOOST_TEST(broken == "on purpose");
  BOOST_TEST(only<HttpStreamEnd>(effects).connection == 1U);
  BOOST_TEST(count(written(effects), std::string(kPingEvent)) == 1U);
  BOOST_TEST(all<ZmqSend>(effects).size() == 2U);  // an error for p, a ping for q
  BOOST_TEST(core.open_calls() == 2U);
  BOOST_TEST(core.on_tick(now, &broken).size() == 1U);  // a ping for q
  BOOST_TEST(broken.empty());
}

BOOST_AUTO_TEST_CASE(a_call_whose_end_throws_too_just_ends) {
  fail_at("abandon", kFirstId);
  fail_at("abandon", kFirstId + 1);
  chat(1);
  chat(2, R"(, "stream": true)");
  chunk(accepted_chunk(kFirstId + 1));
  BOOST_TEST(only<HttpRespond>(core.abandon_http(1, now)).response.status == 500);
  const Effects effects = core.abandon_chunk(kFirstId + 1, now);
  BOOST_TEST(only<HttpStreamEnd>(effects).connection == 2U);
  BOOST_TEST(only<CancelRequest>(effects).request_id == kFirstId + 1);
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(a_zmq_request_whose_end_throws_too_just_ends_and_its_neighbours_go_on) {
  fail_at("tick", kFirstId);
  fail_at("abandon", kFirstId);
  client("p", client::Generate{.id = "a", .prompt = "x"});
  client("q", client::Generate{.id = "b", .prompt = "x"});
  std::string broken;
  const Effects effects = core.on_tick(now, &broken);
  BOOST_TEST(broken == "on purpose");
  BOOST_TEST(only<CancelRequest>(effects).request_id == kFirstId);
  BOOST_TEST(all<ZmqSend>(effects).size() == 2U);  // an error for p, a ping for q
  BOOST_TEST(core.open_calls() == 1U);
}

BOOST_AUTO_TEST_CASE(at_the_end_every_call_is_told_even_when_one_throws) {
  fail_at("abandon", kFirstId);
  chat(1);
  chat(2);
  client("p", client::Generate{.id = "a", .prompt = "x"});
  const Effects effects = core.fail_all(now);
  BOOST_TEST(all<HttpRespond>(effects).size() == 2U);
  BOOST_TEST(all<ZmqSend>(effects).size() == 1U);
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(a_restored_call_that_throws_is_cancelled_and_the_others_are_there) {
  fail_at("restore", 5);
  const auto request = [](std::uint64_t id) {
    return messages::TokenizedRequest{
        .request_id = id,
        .origin = {.door = messages::Door::kZmq, .peer = "p", .id = std::to_string(id)}};
  };
  const Effects effects = core.restore({{request(5), {}}, {request(6), {}}}, now);
  BOOST_TEST(only<CancelRequest>(effects).request_id == 5U);
  BOOST_TEST(core.open_calls() == 1U);
}

BOOST_AUTO_TEST_CASE(chunks_that_aggregate_makes_again_change_no_http_answer) {
  chat(1, R"(, "stream": true)");
  std::string text = written(chunk(accepted_chunk(kFirstId)));
  for (int times = 0; times < 2; ++times) {
    text += written(chunk(accepted_chunk(kFirstId)));
    text += written(chunk(text_chunk(kFirstId, "one ", 0)));
    text += written(chunk(text_chunk(kFirstId, "two", 1)));
  }
  text += written(chunk(final_chunk(kFirstId)));
  text += written(chunk(final_chunk(kFirstId)));
  BOOST_TEST(count(text, "one ") == 1U);
  BOOST_TEST(count(text, "two") == 1U);
  BOOST_TEST(count(text, "\"role\"") == 1U);
  BOOST_TEST(count(text, "[DONE]") == 1U);
}

BOOST_AUTO_TEST_CASE(chunks_that_aggregate_makes_again_change_no_zmq_answer) {
  client("p", client::Generate{.id = "a", .prompt = "x"});
  messages::ReplyChunk echo = accepted_chunk(kFirstId);
  echo.text = "x";
  Effects effects = chunk(echo);
  BOOST_TEST(frame_at<client::Chunk>(effects, 1).text == "x");
  chunk(text_chunk(kFirstId, "one", 0));
  BOOST_TEST(chunk(echo).empty());
  BOOST_TEST(chunk(text_chunk(kFirstId, "one", 0)).empty());
  effects = chunk(text_chunk(kFirstId, "two", 1));
  BOOST_TEST(only_frame<client::Chunk>(effects).text_offset == 4U);
}

BOOST_AUTO_TEST_CASE(a_restored_answer_with_an_echo_has_it_once) {
  messages::ReplyChunk echo = accepted_chunk(5);
  echo.text = "x ";
  const messages::TokenizedRequest request{
      .request_id = 5, .origin = {.door = messages::Door::kZmq, .peer = "p", .id = "old"}};
  core.restore({{request, {echo, text_chunk(5, "one", 0)}}}, now);
  BOOST_TEST(chunk(echo).empty());  // from an aggregate that began anew
  const Effects effects = client("p", client::Generate{.id = "old", .prompt = "x"});
  BOOST_TEST(frame_at<client::Chunk>(effects, 1).text == "x one");
}

BOOST_AUTO_TEST_CASE(an_answer_that_begins_and_nobody_waits_for_is_cancelled) {
  BOOST_TEST(only<CancelRequest>(chunk(accepted_chunk(99))).request_id == 99U);
  BOOST_TEST(chunk(text_chunk(99, "a")).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway::tests
