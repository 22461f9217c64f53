// `generate` of the public protocol → a validated GenerateRequest, or why not. Pure.
#pragma once

#include <optional>

#include "actors/gateway/request_rules.hpp"
#include "messages/client_protocol.hpp"

namespace troupe::actors::gateway {

// Why the client's id cannot name a request.
std::optional<Fault> find_id_fault(std::string_view id);

// The same ranges as HTTP's, and exactly one of prompt, messages and tokens.
std::optional<Fault> find_fault(const messages::client::Generate& generate);

// Requires that find_fault found none. Ids and seed are the caller's to fill.
messages::GenerateRequest to_request(messages::client::Generate generate);

}  // namespace troupe::actors::gateway
