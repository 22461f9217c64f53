#include "actors/infer/known_answer.hpp"

#include <bit>
#include <cstdio>
#include <vector>

namespace troupe::actors::infer {
namespace {

constexpr std::int32_t kAnswerTokens = 2;
constexpr std::uint64_t kRequestId = 1;

messages::WorkItem known_prompt() {
  messages::WorkItem item{.request_id = kRequestId};
  // Ids that every vocabulary has: the answer need not mean anything.
  for (std::int32_t id = 0; id < kKnownPromptTokens; ++id) item.prompt_tokens.push_back(id);
  item.sampling.temperature = 0.0F;
  item.sampling.top_logprobs = 0;
  item.sampling.max_tokens = kAnswerTokens;
  item.sampling.ignore_eos = true;
  return item;
}

std::string text_of(const messages::TokenEvent& event) {
  char text[40];
  std::snprintf(
      text, sizeof text, " %d:%08x", event.token, std::bit_cast<std::uint32_t>(event.logprob));
  return text;
}

}  // namespace

std::string answer_known_prompt(Engine& engine) {
  std::string answer = engine.numerics_id();
  messages::Batch batch;
  batch.joined.push_back(known_prompt());
  std::int32_t known = 0;
  for (std::int32_t i = 0; i < kAnswerTokens; ++i) {
    const std::int32_t count = i == 0 ? kKnownPromptTokens : 1;
    batch.slices = {{.request_id = kRequestId,
                     .position = known,
                     .count = count,
                     .sample = true,
                     .blocks = {0}}};
    for (const messages::TokenEvent& event : engine.run(batch).frame.events) {
      answer += text_of(event);
      // What is not finite is an answer too, a wrong one.
      if (event.token < 0) i = kAnswerTokens;
    }
    batch.joined.clear();
    known += count;
  }
  // The sequence and what it wrote are forgotten.
  batch.slices.clear();
  batch.left = {kRequestId};
  batch.stained_blocks = {0};
  engine.run(batch);
  return answer;
}

}  // namespace troupe::actors::infer
