// The ranges that a request must keep, whichever door it came through.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "messages/sampling.hpp"

namespace troupe::actors::gateway {

// A request field out of its range, in words for its sender.
struct Fault {
  std::string param;
  std::string message;
};

inline constexpr std::uint32_t kPriorityMax = 9;

// Checks every number against its range (NaN and infinities are in none), and the counts and
// lengths of lists. Field names are those of the APIs. `choice` and `seed` may hold anything.
std::optional<Fault> find_fault(const messages::Sampling& sampling);

// Token ids must not be negative; whether the vocabulary holds them is known further on.
std::optional<Fault> find_fault(std::span<const std::int32_t> prompt_tokens);

std::optional<Fault> find_priority_fault(std::uint32_t priority);

std::optional<Fault> find_salt_fault(std::string_view cache_salt);

// system, user and assistant as they are, developer as system; nullopt for any other role.
std::optional<std::string> known_role(std::string_view role);

}  // namespace troupe::actors::gateway
