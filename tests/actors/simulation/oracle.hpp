// What a model that is a pure function answers: the simulator's workers compute it token by token,
// and its judge as a whole.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "messages/token_frame.hpp"
#include "messages/tokenized_request.hpp"

namespace troupe::tests {

inline constexpr std::int32_t kEndToken = 256;  // the byte tokenizer's first control token

// The token after `prompt` and `produced`: a letter, or kEndToken.
std::int32_t next_token(std::span<const std::int32_t> prompt,
                        std::span<const std::int32_t> produced,
                        const messages::Sampling& sampling);

// The end that a worker proposes with the last of `produced`.
messages::FinishReason finish_of(std::span<const std::int32_t> produced,
                                 const messages::Sampling& sampling);

struct OracleAnswer {
  std::string text;
  messages::FinishReason finish = messages::FinishReason::kNone;
  std::uint32_t tokens = 0;
};

OracleAnswer answer_of(const messages::TokenizedRequest& request);

}  // namespace troupe::tests
