#include "apps/local_pipeline.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <string>
#include <vector>

#include "tests/apps/tiny_model_file.hpp"

namespace troupe::apps {
namespace {

using messages::ChunkKind;
using messages::FailureCode;
using messages::FinishReason;
using messages::GenerateRequest;
using messages::PromptKind;

// What came of one request.
struct Answer {
  std::string text;
  std::vector<std::int32_t> tokens;
  FinishReason finish = FinishReason::kNone;
  FailureCode failure = FailureCode::kNone;
  int ends = 0;

  bool operator==(const Answer&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Answer& answer) {
  return out << answer.tokens.size() << " tokens: " << answer.text;
}

using Answers = std::map<std::uint64_t, Answer>;

LocalPipeline::OnChunk into(Answers& answers) {
  return [&answers](const messages::ReplyChunk& chunk) {
    Answer& answer = answers[chunk.request_id];
    answer.text += chunk.text;
    answer.tokens.insert(answer.tokens.end(), chunk.tokens.begin(), chunk.tokens.end());
    if (chunk.kind != ChunkKind::kFinal && chunk.kind != ChunkKind::kError) return;
    ++answer.ends;
    answer.finish = chunk.finish;
    answer.failure = chunk.failure.code;
  };
}

config::NodeConfig config_of(std::uint32_t step_tokens) {
  config::NodeConfig config;
  config.node.threads = 2;
  config.batch.step_tokens_max = step_tokens;
  return config;
}

// Prompts of different lengths, odd ones sampled, even ones greedy.
GenerateRequest request(std::uint64_t id) {
  GenerateRequest request{.request_id = id, .prompt_kind = PromptKind::kTokens};
  for (std::uint64_t i = 0; i < 5 + 13 * id; ++i) {
    request.prompt_tokens.push_back(static_cast<std::int32_t>((i * 31 + id * 7) % 256));
  }
  request.sampling = {.temperature = id % 2 == 0 ? 0.0F : 0.8F,
                      .top_p = 0.95F,
                      .repetition_penalty = 1.1F,
                      .seed = 1000 + id,
                      .max_tokens = static_cast<std::uint32_t>(8 + id)};
  return request;
}

void run(LocalPipeline& pipeline) {
  while (pipeline.step()) {
  }
}

Answer alone(const LoadedModel& model, const GenerateRequest& request) {
  Answers answers;
  LocalPipeline pipeline(model, config_of(256), 1, into(answers));
  pipeline.submit(request);
  run(pipeline);
  return answers[request.request_id];
}

// A model that can only say `a`.
GenerateRequest only_a(std::uint64_t id, std::uint32_t max_tokens) {
  GenerateRequest request{.request_id = id, .prompt = "x"};
  request.sampling = {.temperature = 0.0F, .logit_bias = {{'a', 1e6F}}, .max_tokens = max_tokens};
  return request;
}

struct Fixture {
  tests::TinyLoadedModel tiny;
  Answers answers;
  LocalPipeline pipeline{tiny.model, config_of(64), 4, into(answers)};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(local_pipeline, Fixture)

BOOST_AUTO_TEST_CASE(eight_at_once_get_exactly_what_each_gets_alone) {
  // Small steps: prompts are cut and mixed with streams; places for five make three of them wait.
  Answers together;
  LocalPipeline crowded(tiny.model, config_of(16), 5, into(together));
  for (std::uint64_t id = 1; id <= 8; ++id) crowded.submit(request(id));
  run(crowded);
  for (std::uint64_t id = 1; id <= 8; ++id) {
    BOOST_TEST(together[id] == alone(tiny.model, request(id)));
    BOOST_TEST(together[id].ends == 1);
    BOOST_TEST(!together[id].tokens.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_request_that_comes_while_others_run_changes_nothing_for_them) {
  pipeline.submit(request(1));
  for (int i = 0; i < 3; ++i) pipeline.step();
  pipeline.submit(request(2));
  run(pipeline);
  BOOST_TEST(answers[1] == alone(tiny.model, request(1)));
  BOOST_TEST(answers[2] == alone(tiny.model, request(2)));
}

BOOST_AUTO_TEST_CASE(max_tokens_end_an_answer) {
  pipeline.submit(only_a(1, 5));
  run(pipeline);
  BOOST_TEST(answers[1].text == "aaaaa");
  BOOST_TEST((answers[1].finish == FinishReason::kLength));
}

BOOST_AUTO_TEST_CASE(a_stop_string_ends_the_answer_and_the_work) {
  GenerateRequest stopped = only_a(1, 100);
  stopped.sampling.stop = {"aaa"};
  pipeline.submit(stopped);
  int steps = 0;
  while (pipeline.step()) ++steps;
  BOOST_TEST(answers[1].text.empty());
  BOOST_TEST((answers[1].finish == FinishReason::kStop));
  BOOST_TEST(answers[1].ends == 1);
  BOOST_TEST(steps == 3);
}

BOOST_AUTO_TEST_CASE(a_cancelled_request_ends_once_and_others_go_on) {
  pipeline.submit(only_a(1, 100));
  pipeline.submit(only_a(2, 10));
  for (int i = 0; i < 3; ++i) pipeline.step();
  pipeline.cancel(1);
  pipeline.cancel(1);
  run(pipeline);
  BOOST_TEST((answers[1].failure == FailureCode::kCancelled));
  BOOST_TEST(answers[1].ends == 1);
  BOOST_TEST(answers[2].text == std::string(10, 'a'));
}

BOOST_AUTO_TEST_CASE(what_preprocess_refuses_ends_at_once) {
  GenerateRequest empty{.request_id = 1};
  pipeline.submit(empty);
  GenerateRequest long_prompt{.request_id = 2, .prompt = std::string(300, 'x')};
  pipeline.submit(long_prompt);
  GenerateRequest chat{.request_id = 3, .prompt_kind = PromptKind::kChat};
  chat.messages = {{"user", "hello"}};
  pipeline.submit(chat);
  BOOST_TEST(!pipeline.step());
  for (std::uint64_t id = 1; id <= 3; ++id) {
    BOOST_TEST((answers[id].failure == FailureCode::kInvalid));
    BOOST_TEST(answers[id].ends == 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::apps
