// What an answer is generated from, in each form that the API has for it.
#pragma once

#include <vector>

#include "actors/gateway/field_reader.hpp"
#include "actors/gateway/openai_call.hpp"

namespace troupe::actors::gateway {

// `messages` of a chat request: one prompt. Faults go into `fields`.
std::vector<Prompt> read_messages(FieldReader& fields);

// `prompt` of a completion request: a string, strings, token ids, or lists of them.
std::vector<Prompt> read_prompts(FieldReader& fields);

}  // namespace troupe::actors::gateway
