// `id:` of a server-sent event: how much of each answer the client has with it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::actors::gateway {

// REQUEST:OFFSET, in UTF-8 bytes of the text; of several answers REQUEST:OFFSET,OFFSET,….
std::string event_id(std::string_view request, const std::vector<std::uint64_t>& offsets);

// The offsets of `answers` answers; zeros for an empty id. Nothing when the id is not one of
// `request`'s.
std::optional<std::vector<std::uint64_t>> read_event_id(std::string_view id,
                                                        std::string_view request,
                                                        std::size_t answers);

}  // namespace troupe::actors::gateway
