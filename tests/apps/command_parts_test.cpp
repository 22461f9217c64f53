// The pure parts of the commands: conversation, event stream, token lists, log-probabilities, URLs,
// flags.
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "apps/conversation.hpp"
#include "apps/event_stream.hpp"
#include "apps/file_checksums.hpp"
#include "apps/http_client.hpp"
#include "apps/line_reader.hpp"
#include "apps/model_flags.hpp"
#include "apps/perplexity_windows.hpp"
#include "apps/sampling_flags.hpp"
#include "apps/token_list.hpp"
#include "apps/top_logprobs.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

// The line that the user gets; empty when the call succeeds.
std::string error_of(auto&& call) {
  try {
    call();
  } catch (const config::UserError& error) {
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> roles(const Conversation& conversation) {
  std::vector<std::string> roles;
  for (const auto& turn : conversation.turns()) roles.push_back(turn.role + ":" + turn.content);
  return roles;
}

std::string token_list_error(const std::string& text) {
  return error_of([&] { parse_token_list(text, "ids.json", 10); });
}

// What `call` makes of a command line.
template <class Flags>
std::string parse_and(Flags& flags, std::vector<std::string> arguments, auto&& call) {
  CLI::App app;
  flags.add_to(app);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  return error_of(call);
}

config::NodeConfig model_config(const std::vector<std::string>& arguments, std::string& error) {
  ModelFlags flags;
  config::NodeConfig config;
  error = parse_and(flags, arguments, [&] { config = local_config(flags); });
  return config;
}

messages::Sampling sampling_of(const std::vector<std::string>& arguments, std::string& error) {
  SamplingFlags flags(0.0F, 7);
  messages::Sampling sampling;
  error = parse_and(flags, arguments, [&] { sampling = flags.sampling(); });
  return sampling;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(command_parts)

BOOST_AUTO_TEST_CASE(the_oldest_turns_go_first_and_the_system_turn_stays) {
  Conversation conversation("be kind");
  conversation.add_user("one");
  conversation.add_assistant("1");
  conversation.add_user("two");
  conversation.add_assistant("2");
  conversation.add_user("three");
  BOOST_TEST(conversation.drop_oldest());
  BOOST_TEST(roles(conversation) ==
             (std::vector<std::string>{"system:be kind", "user:two", "assistant:2", "user:three"}));
  BOOST_TEST(conversation.drop_oldest());
  BOOST_TEST(!conversation.drop_oldest());
  conversation.take_back();
  BOOST_TEST(roles(conversation) == std::vector<std::string>{"system:be kind"});
  conversation.add_user("four");
  conversation.reset();
  BOOST_TEST(roles(conversation) == std::vector<std::string>{"system:be kind"});
}

BOOST_AUTO_TEST_CASE(events_are_whole_wherever_the_pieces_are_cut) {
  const std::string body = ": ping\n\nid: a:1\ndata: one\n\ndata: t\r\ndata:wo\r\n\r\ndata: lost";
  const std::vector<std::string> expected{"one", "t\nwo"};
  for (std::size_t cut = 0; cut <= body.size(); ++cut) {
    EventStream stream;
    std::vector<std::string> events = stream.take(body.substr(0, cut));
    for (std::string& event : stream.take(body.substr(cut))) events.push_back(std::move(event));
    BOOST_TEST(events == expected);
  }
}

BOOST_AUTO_TEST_CASE(token_lists_come_plain_or_from_tokenize) {
  BOOST_TEST(parse_token_list("[1, 9]", "x", 10) == (std::vector<std::int32_t>{1, 9}));
  BOOST_TEST(parse_token_list(R"({"ids": [0], "pieces": ["a"]})", "x", 10) ==
             (std::vector<std::int32_t>{0}));
}

BOOST_AUTO_TEST_CASE(a_wrong_token_list_is_named_with_its_entry) {
  BOOST_TEST(has(token_list_error("[1, 10]"), "ids.json: entry 1 (10)"));
  BOOST_TEST(has(token_list_error("[-1]"), "entry 0 (-1)"));
  BOOST_TEST(has(token_list_error("[1, 18446744073709551615]"), "entry 1"));
  BOOST_TEST(has(token_list_error("[1.5]"), "no integer"));
  BOOST_TEST(has(token_list_error("[[1]]"), "no integer"));
  BOOST_TEST(has(token_list_error("[]"), "no token"));
  BOOST_TEST(has(token_list_error("{}"), "must hold a JSON list"));
  BOOST_TEST(has(token_list_error("[1, "), "not valid JSON"));
  BOOST_TEST(has(token_list_error("[1e999]"), "no token id"));
  BOOST_TEST(has(token_list_error("\xFF"), "not valid JSON"));
}

BOOST_AUTO_TEST_CASE(log_probabilities_are_those_of_softmax_best_first_ties_to_the_lower_id) {
  const std::vector<float> logits{1.0F, 3.0F, 2.0F, 3.0F};
  const auto top = top_logprobs(logits, 3);
  BOOST_TEST_REQUIRE(top.size() == 3U);
  BOOST_TEST(top[0].id == 1);
  BOOST_TEST(top[1].id == 3);
  BOOST_TEST(top[2].id == 2);
  const double sum = std::exp(1.0) + 2 * std::exp(3.0) + std::exp(2.0);
  BOOST_TEST(top[0].logprob == 3.0 - std::log(sum), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(top_logprobs(logits, 99).size() == 4U);
}

BOOST_AUTO_TEST_CASE(a_row_with_a_logit_that_is_not_finite_has_no_log_probabilities) {
  const std::vector<float> logits{1.0F, std::numeric_limits<float>::quiet_NaN()};
  BOOST_TEST(top_logprobs(logits, 1).empty());
}

BOOST_AUTO_TEST_CASE(urls_are_taken_apart) {
  const Url plain = parse_url("http://localhost:8080/");
  BOOST_TEST(plain.text() == "http://localhost:8080");
  const Url path = parse_url("http://example.org/base/");
  BOOST_TEST(path.port == "80");
  BOOST_TEST(path.path == "/base");
  BOOST_TEST(parse_url("http://[::1]:99").host == "::1");
}

BOOST_AUTO_TEST_CASE(urls_that_cannot_be_asked_are_refused) {
  for (const char* url : {"https://x",
                          "x:1",
                          "http://",
                          "http://x:",
                          "http://x:a",
                          "http://x y",
                          "http://x:123456",
                          "http://:80"}) {
    BOOST_TEST_CONTEXT(url) {
      BOOST_TEST(has(error_of([&] { parse_url(url); }), "--url must be"));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_server_that_is_not_there_is_one_clear_line) {
  const HttpClient client(parse_url("http://127.0.0.1:1"));
  BOOST_TEST(has(error_of([&] { client.get("/v1/models"); }), "is the server running there?"));
}

BOOST_AUTO_TEST_CASE(lines_are_read_to_the_last_without_an_end) {
  int ends[2];
  BOOST_TEST_REQUIRE(pipe(ends) == 0);
  const std::string text = "one\r\n\ntwo";
  BOOST_TEST_REQUIRE(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  close(ends[1]);
  LineReader reader(ends[0]);
  BOOST_TEST(reader.next().value() == "one");
  BOOST_TEST(reader.next().value() == "");
  BOOST_TEST(reader.next().value() == "two");
  BOOST_TEST(!reader.next().has_value());
  close(ends[0]);
}

BOOST_AUTO_TEST_CASE(model_flags_fill_the_configuration) {
  std::string error;
  const config::NodeConfig config = model_config(
      {"--model", "/m.gguf", "--threads", "3", "--context", "64", "--alias", "m"}, error);
  BOOST_TEST(error.empty());
  BOOST_TEST(config.model.file.string() == "/m.gguf");
  BOOST_TEST(config.node.threads == 3U);
  BOOST_TEST(config.model.context == 64U);
  BOOST_TEST(config.model.alias == "m");
}

BOOST_AUTO_TEST_CASE(wrong_model_flags_are_named) {
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{}, "give --model FILE"},
      {{"--model", ""}, "--model must not be empty"},
      {{"--model", "m", "--precision", "fp8"}, "--precision must be one of"},
      {{"--model", "m", "--kv", "fp8"}, "--kv must be one of"},
      {{"--model", "m", "--device", "cuda:0"}, "--device \"cuda:0\" is not available yet"},
      {{"--model", "m", "--cpu-backend", "sse"}, "--cpu-backend must be one of"},
      {{"--model", "m", "--threads", "-1"}, "--threads must be 0 … 1024, not -1"},
      {{"--model", "m", "--threads", "99999"}, "--threads must be 0"},
      {{"--model", "m", "--chat-template", ""}, "--chat-template must not be empty"}};
  for (const auto& [arguments, expected] : cases) {
    std::string error;
    model_config(arguments, error);
    BOOST_TEST_CONTEXT(expected) { BOOST_TEST(has(error, expected)); }
  }
}

BOOST_AUTO_TEST_CASE(sampling_flags_keep_to_the_ranges_of_the_api) {
  std::string error;
  const auto sampling =
      sampling_of({"--stop", "a", "--stop", "b c", "--seed", "5", "--top-k", "4"}, error);
  BOOST_TEST(error.empty());
  BOOST_TEST(sampling.stop == (std::vector<std::string>{"a", "b c"}));
  BOOST_TEST(sampling.seed == 5U);
  BOOST_TEST(sampling.max_tokens == 7U);
  sampling_of({"--temperature", "3"}, error);
  BOOST_TEST(error == "--temperature must be between 0 and 2");
  sampling_of({"--top-p", "nan"}, error);
  BOOST_TEST(has(error, "--top-p must be"));
  sampling_of({"--stop", ""}, error);
  BOOST_TEST(has(error, "--stop"));
}

BOOST_AUTO_TEST_CASE(windows_are_whole_and_do_not_overlap) {
  using Windows = std::vector<std::vector<std::int32_t>>;
  const std::vector<std::int32_t> tokens{1, 2, 3, 4, 5, 6, 7, 8, 9};
  BOOST_TEST((perplexity_windows(tokens, 4, -1) == Windows{{1, 2, 3, 4}, {5, 6, 7, 8}}));
  BOOST_TEST((perplexity_windows(tokens, 4, 0) == Windows{{0, 2, 3, 4}, {0, 6, 7, 8}}));
  BOOST_TEST((perplexity_windows(tokens, 100, -1) == Windows{tokens}));
  BOOST_TEST(perplexity_windows(std::span(tokens).first(2), 4, -1).empty());
  BOOST_TEST(perplexity_windows({}, 4, 0).empty());
}

BOOST_AUTO_TEST_CASE(the_first_half_of_a_window_is_not_scored) {
  BOOST_TEST(first_scored(512) == 257U);  // 255 of 512, as llama.cpp counts
  BOOST_TEST(first_scored(5) == 3U);
  BOOST_TEST(first_scored(kWindowTokensMin) == kWindowTokensMin - 1);
}

BOOST_AUTO_TEST_CASE(the_log_probability_of_any_token_is_the_one_of_the_list) {
  const std::vector<float> logits{1.0F, 3.0F, -2.0F, 3.0F};
  for (const TokenLogprob& entry : top_logprobs(logits, 4))
    BOOST_TEST(logprob_of(logits, entry.id).value() == entry.logprob);
  const std::vector<float> broken{1.0F, std::numeric_limits<float>::infinity()};
  BOOST_TEST(!logprob_of(broken, 0).has_value());
}

BOOST_AUTO_TEST_CASE(a_stated_digest_is_the_first_word_of_its_file) {
  const std::string digest(64, 'a');
  BOOST_TEST(stated_sha256(digest) == digest);
  BOOST_TEST(stated_sha256(digest + "  model.gguf\n") == digest);
  BOOST_TEST(stated_sha256(std::string(64, 'A') + "\n") == digest);
  BOOST_TEST(stated_sha256(digest + "a") == "");
  BOOST_TEST(stated_sha256(std::string(63, 'a')) == "");
  BOOST_TEST(stated_sha256(std::string(64, 'g')) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::apps
