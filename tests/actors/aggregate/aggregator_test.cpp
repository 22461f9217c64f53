// Aggregate: whole characters, stop strings across tokens, and one end for each answer.
#include "actors/aggregate/aggregator.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <random>
#include <string>

#include "model/model_file.hpp"
#include "model/utf8.hpp"
#include "tests/support/gguf_builder.hpp"

namespace troupe::actors::aggregate {
namespace {

using messages::ChunkKind;
using messages::FinishReason;
using messages::ReplyChunk;

constexpr std::int32_t kEnd = 256;  // the byte tokenizer's first control token

// Every byte is a token, so that every border a character or a stop string may have is a token
// border.
std::shared_ptr<const model::Tokenizer> byte_tokenizer() {
  const std::vector<std::byte> bytes = tests::GgufBuilder().byte_tokenizer({"<|end|>"}).build();
  return std::make_shared<const model::Tokenizer>(model::ModelFile::parse(bytes, "tiny"));
}

struct Fixture {
  void plan(std::vector<std::string> stop, bool echo = false, bool logprobs = false) {
    take(core.on_plan({.request_id = 1,
                       .prompt_tokens = {'H', 'i'},
                       .stop = std::move(stop),
                       .echo = echo,
                       .logprobs = logprobs}));
  }

  void token(std::int32_t id, FinishReason finish = FinishReason::kNone) {
    take(core.on_tokens({{{.request_id = 1,
                           .attempt = 1,
                           .position = position++,
                           .token = id,
                           .logprob = -1.0F,
                           .top_logprobs = {{65, -1.5F}},
                           .finish = finish}}}));
  }

  void text(std::string_view bytes) {
    for (const char byte : bytes) token(static_cast<unsigned char>(byte));
  }

  void take(Replies replies) {
    for (ReplyChunk& chunk : replies.chunks) {
      BOOST_TEST(chunk.text_offset == answer.size());
      answer += chunk.text;
      chunks.push_back(std::move(chunk));
    }
    finished.insert(finished.end(), replies.finished.begin(), replies.finished.end());
  }

  Aggregator core{byte_tokenizer()};
  std::uint32_t position = 0;
  std::string answer;
  std::vector<ReplyChunk> chunks;
  std::vector<messages::ReplyFinished> finished;
};

BOOST_FIXTURE_TEST_SUITE(aggregator, Fixture)

BOOST_AUTO_TEST_CASE(a_plan_is_announced) {
  plan({});
  BOOST_REQUIRE(chunks.size() == 1U);
  BOOST_CHECK(chunks[0].kind == ChunkKind::kAccepted);
  BOOST_TEST(chunks[0].prompt_tokens == 2U);
}

BOOST_AUTO_TEST_CASE(echo_begins_with_the_prompt) {
  plan({}, true);
  text("!");
  BOOST_TEST(answer == "Hi!");
}

BOOST_AUTO_TEST_CASE(each_token_is_emitted_when_it_comes) {
  plan({});
  text("ab");
  BOOST_REQUIRE(chunks.size() == 3U);
  BOOST_TEST(chunks[2].text == "b");
  BOOST_TEST(chunks[2].token_begin == 1U);
  BOOST_TEST(chunks[2].token_end == 2U);
  BOOST_TEST(chunks[2].tokens == std::vector<std::int32_t>{'b'});
}

BOOST_AUTO_TEST_CASE(half_a_character_is_held_back) {
  plan({});
  text("\xE6\x9D");
  BOOST_TEST(answer == "");
  text("\xB1");
  BOOST_TEST(answer == "東");
}

BOOST_AUTO_TEST_CASE(an_unfinished_character_at_the_end_becomes_a_replacement) {
  plan({});
  text("a\xE6");
  token(kEnd, FinishReason::kStop);
  BOOST_TEST(answer == "a\xEF\xBF\xBD");
}

BOOST_AUTO_TEST_CASE(the_end_token_has_no_text_and_ends_the_answer) {
  plan({});
  text("a");
  token(kEnd, FinishReason::kStop);
  BOOST_TEST(answer == "a");
  BOOST_CHECK(chunks.back().kind == ChunkKind::kFinal);
  BOOST_CHECK(chunks.back().finish == FinishReason::kStop);
  BOOST_TEST(chunks.back().produced_tokens == 2U);
  BOOST_REQUIRE(finished.size() == 1U);
  BOOST_TEST(finished[0].tokens == 2U);
  BOOST_TEST(core.open() == 0U);
}

BOOST_AUTO_TEST_CASE(a_stop_string_across_tokens_ends_the_answer_and_is_not_part_of_it) {
  plan({"END"});
  text("abEN");
  BOOST_TEST(answer == "ab");
  text("D");
  BOOST_TEST(answer == "ab");
  BOOST_CHECK(chunks.back().kind == ChunkKind::kFinal);
  BOOST_CHECK(chunks.back().finish == FinishReason::kStop);
}

BOOST_AUTO_TEST_CASE(text_that_only_began_like_a_stop_string_is_emitted) {
  plan({"END"});
  text("ENx");
  BOOST_TEST(answer == "ENx");
}

BOOST_AUTO_TEST_CASE(held_back_text_comes_with_the_end) {
  plan({"END"});
  text("aE");
  token('N', FinishReason::kLength);
  BOOST_TEST(answer == "aEN");
  BOOST_CHECK(chunks.back().finish == FinishReason::kLength);
}

BOOST_AUTO_TEST_CASE(the_earliest_of_several_stop_strings_counts) {
  plan({"cd", "bc"});
  text("abcd");
  BOOST_TEST(answer == "a");
}

BOOST_AUTO_TEST_CASE(tokens_after_the_end_are_dropped) {
  plan({"b"});
  text("abc");
  BOOST_TEST(chunks.size() == 3U);
  BOOST_TEST(finished.size() == 1U);
}

BOOST_AUTO_TEST_CASE(log_probabilities_come_with_their_tokens_bytes) {
  plan({}, false, true);
  text("\xE6");
  BOOST_REQUIRE(chunks.back().logprobs.size() == 1U);
  BOOST_TEST(chunks.back().logprobs[0].chosen.bytes == "\xE6");
  BOOST_TEST(chunks.back().logprobs[0].top[0].bytes == "A");
}

BOOST_AUTO_TEST_CASE(a_failure_ends_an_open_answer_once_with_its_usage) {
  plan({});
  text("ab");
  const messages::Failure failure{
      .request_id = 1, .code = messages::FailureCode::kWorkerLost, .message = "gone"};
  take(core.on_failure(failure));
  BOOST_CHECK(chunks.back().kind == ChunkKind::kError);
  BOOST_TEST(chunks.back().produced_tokens == 2U);
  BOOST_TEST(chunks.back().prompt_tokens == 2U);
  const std::size_t before = chunks.size();
  text("c");
  BOOST_TEST(chunks.size() == before);
}

BOOST_AUTO_TEST_CASE(a_request_that_was_never_accepted_gets_its_error_too) {
  take(core.on_failure({.request_id = 5, .code = messages::FailureCode::kInvalid}));
  BOOST_REQUIRE(chunks.size() == 1U);
  BOOST_TEST(chunks[0].request_id == 5U);
}

BOOST_AUTO_TEST_CASE(any_bytes_come_out_as_valid_text_that_never_holds_a_stop_string) {
  for (std::uint32_t seed = 1; seed <= 500; ++seed) {
    std::mt19937 random{seed};
    Fixture f;
    f.plan({"aba", "東京"});
    std::string bytes;
    for (int i = 0; i < 60; ++i) {
      static constexpr std::string_view kBytes = "ab\xE6\x9D\xB1\xE4\xBA\xAC\xFF";
      bytes += kBytes[random() % kBytes.size()];
    }
    f.text(bytes);
    f.token(kEnd, FinishReason::kStop);
    BOOST_TEST(model::utf8::valid_prefix(f.answer) == f.answer.size());
    BOOST_TEST(f.answer.find("aba") == std::string::npos);
    BOOST_TEST(f.answer.find("東京") == std::string::npos);
    const std::size_t stop = std::min(bytes.find("aba"), bytes.find("東京"));
    BOOST_TEST(f.answer == model::utf8::replace_invalid(bytes.substr(0, stop)));
    BOOST_TEST(f.finished.size() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(a_token_that_comes_twice_is_emitted_once) {
  plan({});
  text("ab");
  --position;
  token('b');
  BOOST_TEST(answer == "ab");
}

BOOST_AUTO_TEST_CASE(a_token_that_is_missing_ends_the_answer_with_an_error) {
  plan({});
  text("a");
  ++position;
  token('c');
  BOOST_TEST(answer == "a");
  BOOST_REQUIRE(finished.size() == 1U);
  BOOST_CHECK(finished[0].reason == FinishReason::kError);
  BOOST_CHECK(chunks.back().kind == ChunkKind::kError);
}

BOOST_AUTO_TEST_CASE(an_exception_over_one_answer_ends_it_alone) {
  Aggregator fragile(byte_tokenizer(), [](const messages::TokenEvent& event) {
    if (event.token == 'x') throw std::runtime_error("bad token");
  });
  for (const std::uint64_t id : {1UL, 2UL}) {
    fragile.on_plan({.request_id = id, .prompt_tokens = {'H', 'i'}});
  }
  const auto event = [](std::uint64_t id, std::uint32_t at, char byte) {
    return messages::TokenEvent{
        .request_id = id, .attempt = 1, .position = at, .token = static_cast<unsigned char>(byte)};
  };
  const Replies replies =
      fragile.on_tokens({{event(1, 0, 'a'), event(1, 1, 'x'), event(2, 0, 'b'), event(1, 2, 'c')}});
  BOOST_REQUIRE_EQUAL(replies.chunks.size(), 3U);
  BOOST_TEST((replies.chunks[1].kind == ChunkKind::kError));
  BOOST_TEST(replies.chunks[1].request_id == 1U);
  BOOST_TEST((replies.chunks[1].failure.code == messages::FailureCode::kInternal));
  BOOST_TEST(replies.chunks[1].failure.message.find("bad token") != std::string::npos);
  BOOST_TEST(replies.chunks[1].produced_tokens == 1U);
  BOOST_TEST(replies.chunks[2].text == "b");
  BOOST_REQUIRE_EQUAL(replies.finished.size(), 1U);
  BOOST_TEST(replies.finished[0].request_id == 1U);
  BOOST_TEST((replies.finished[0].reason == FinishReason::kError));
  BOOST_TEST(fragile.open() == 1U);
}

BOOST_AUTO_TEST_CASE(a_new_aggregator_makes_the_same_chunks_from_a_replay) {
  plan({"end"}, true, true);
  text("the \xC3\xBC is not the e");
  const std::vector<ReplyChunk> before = chunks;
  const std::uint32_t tokens = position;
  core = Aggregator(byte_tokenizer());
  // Before the replay it knows nothing, and says nothing.
  BOOST_TEST(
      core.on_tokens({{{.request_id = 1, .position = tokens, .token = 'n'}}}).chunks.empty());
  chunks.clear();
  answer.clear();
  position = 0;
  plan({"end"}, true, true);
  text("the \xC3\xBC is not the e");
  BOOST_TEST((chunks == before));
  text("nd");
  BOOST_TEST((chunks.back().finish == FinishReason::kStop));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::aggregate
