// The body of POST /v1/chat/completions and /v1/completions → a validated call, or why not. Pure.
// Source: OpenAI's API reference (platform.openai.com/docs/api-reference); fields beyond it as vLLM
// names them; what is ours is in docs/protocol.md.
#pragma once

#include <string_view>
#include <variant>

#include "actors/gateway/failure_reply.hpp"
#include "actors/gateway/openai_call.hpp"

namespace troupe::actors::gateway {

// OpenAI's default for /v1/completions; a chat answer may take all the context there is.
inline constexpr std::uint32_t kCompletionTokensDefault = 16;

// `alias` is the one model that is served; a body that names none means it.
std::variant<ParsedCall, ApiError> parse_call(Endpoint endpoint,
                                              std::string_view body,
                                              std::string_view alias);

ApiError model_not_found(std::string_view asked, std::string_view alias);

}  // namespace troupe::actors::gateway
