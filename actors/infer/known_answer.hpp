// A worker's proof that it computes as its earlier incarnations did, before it gets traffic.
#pragma once

#include <cstdint>
#include <string>

#include "actors/infer/engine.hpp"

namespace troupe::actors::infer {

// One block of keys and values holds them, and so few tokens cost a restarted worker two short
// steps.
inline constexpr std::int32_t kKnownPromptTokens = 4;

// Runs a short known prompt to its first two tokens, greedily. The text names the arithmetic, the
// tokens and the bits of their log-probabilities: workers with the same numerics_id say the same.
// The engine holds no sequence yet, and afterwards it holds none again.
std::string answer_known_prompt(Engine& engine);

}  // namespace troupe::actors::infer
