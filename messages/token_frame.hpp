// Infer → ledger: the tokens of one step, one frame a step. Ledger → aggregate: those that were
// journalled.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "messages/message.hpp"

namespace troupe::messages {

// The end that a worker proposes together with the last token. Aggregate decides.
enum class FinishReason : std::uint8_t { kNone, kStop, kLength, kCancelled, kError };

// Position of an error whose worker could not read how many tokens there are.
inline constexpr std::uint32_t kNoPosition = ~std::uint32_t{0};

struct TokenEvent {
  std::uint64_t request_id = 0;
  std::uint32_t attempt = 0;
  std::uint32_t position = 0;  // index among the produced tokens
  std::int32_t token = -1;     // -1 with kError: no token, the sequence failed
  float logprob = 0.0F;
  std::vector<std::pair<std::int32_t, float>> top_logprobs;  // most likely first
  FinishReason finish = FinishReason::kNone;
  std::string error;                // with kError: what went wrong
  std::uint32_t cached_tokens = 0;  // of the prompt, that the prefix cache held
  // Set by dispatch: tokens before this one were computed by a worker with another numerics_id.
  bool resumed_inexact = false;

  TROUPE_MESSAGE(TokenEvent,
                 request_id,
                 attempt,
                 position,
                 token,
                 logprob,
                 top_logprobs,
                 finish,
                 error,
                 cached_tokens,
                 resumed_inexact)
};

struct TokenFrame {
  std::uint64_t front_epoch = 0;
  std::uint64_t worker_generation = 0;
  std::vector<TokenEvent> events;

  TROUPE_MESSAGE(TokenFrame, front_epoch, worker_generation, events)
};

// Ledger → aggregate.
struct JournaledTokens {
  std::vector<TokenEvent> events;

  TROUPE_MESSAGE(JournaledTokens, events)
};

}  // namespace troupe::messages

MSGPACK_ADD_ENUM(troupe::messages::FinishReason)
