// Log-probabilities in the two shapes that OpenAI's API has for them.
#pragma once

#include <cstdint>
#include <span>

#include "actors/gateway/json_text.hpp"
#include "messages/reply_chunk.hpp"

namespace troupe::actors::gateway {

// {"content": [{"token", "logprob", "bytes", "top_logprobs": […]}, …], "refusal": null}
ReplyJson chat_logprobs(std::span<const messages::TokenLogprob> logprobs);

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}, four lists of one length. Offsets
// count characters and begin at `characters_before`.
ReplyJson completion_logprobs(std::span<const messages::TokenLogprob> logprobs,
                              std::uint64_t characters_before);

}  // namespace troupe::actors::gateway
