#include "actors/gateway/event_id.hpp"

#include <charconv>

namespace troupe::actors::gateway {

std::string event_id(std::string_view request, const std::vector<std::uint64_t>& offsets) {
  std::string id(request);
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    id += i == 0 ? ':' : ',';
    id += std::to_string(offsets[i]);
  }
  return id;
}

std::optional<std::vector<std::uint64_t>> read_event_id(std::string_view id,
                                                        std::string_view request,
                                                        std::size_t answers) {
  std::vector<std::uint64_t> offsets(answers, 0);
  if (id.empty()) return offsets;
  if (!id.starts_with(request)) return std::nullopt;
  const char* at = id.data() + request.size();
  const char* const end = id.data() + id.size();
  for (std::size_t i = 0; i < answers; ++i) {
    if (at == end || *at != (i == 0 ? ':' : ',')) return std::nullopt;
    const auto [next, error] = std::from_chars(at + 1, end, offsets[i]);
    if (error != std::errc{}) return std::nullopt;
    at = next;
  }
  if (at != end) return std::nullopt;
  return offsets;
}

}  // namespace troupe::actors::gateway
