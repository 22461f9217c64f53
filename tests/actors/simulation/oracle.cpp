#include "tests/actors/simulation/oracle.hpp"

namespace troupe::tests {
namespace {

// splitmix64: https://prng.di.unimi.it/splitmix64.c
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EB;
  return x ^ (x >> 31U);
}

}  // namespace

std::int32_t next_token(std::span<const std::int32_t> prompt,
                        std::span<const std::int32_t> produced,
                        const messages::Sampling& sampling) {
  std::uint64_t state = sampling.seed;
  for (const std::int32_t token : prompt) state = mixed(state ^ static_cast<std::uint64_t>(token));
  for (const std::int32_t token : produced) {
    state = mixed(state ^ static_cast<std::uint64_t>(token));
  }
  if (state % 24 == 0) return kEndToken;
  return 'a' + static_cast<std::int32_t>(state % 5);
}

messages::FinishReason finish_of(std::span<const std::int32_t> produced,
                                 const messages::Sampling& sampling) {
  if (produced.back() == kEndToken) return messages::FinishReason::kStop;
  return produced.size() >= sampling.max_tokens ? messages::FinishReason::kLength
                                                : messages::FinishReason::kNone;
}

OracleAnswer answer_of(const messages::TokenizedRequest& request) {
  OracleAnswer answer;
  std::vector<std::int32_t> produced;
  while (answer.finish == messages::FinishReason::kNone) {
    produced.push_back(next_token(request.prompt_tokens, produced, request.sampling));
    answer.finish = finish_of(produced, request.sampling);
    if (produced.back() != kEndToken) answer.text += static_cast<char>(produced.back());
    for (const std::string& stop : request.sampling.stop) {
      if (!answer.text.ends_with(stop)) continue;
      answer.text.resize(answer.text.size() - stop.size());
      answer.finish = messages::FinishReason::kStop;
    }
  }
  answer.tokens = static_cast<std::uint32_t>(produced.size());
  return answer;
}

}  // namespace troupe::tests
