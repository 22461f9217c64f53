// What a running node says of itself, and the words for it that tables and trees share.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "apps/admin_client.hpp"

namespace troupe::apps {

// The answer of its admin socket, one line of JSON. Throws config::UserError when no node answers.
std::string ask_status(const NodeChoice& node);

// The picture that `draw` makes of such a line. Throws config::UserError for what is no status.
std::string draw_status(std::string_view line,
                        const std::function<std::string(const nlohmann::json&)>& draw);

// draining, ready, not ready
const char* state_of(const nlohmann::json& status);

// At least `width` bytes, and two spaces.
std::string padded(std::string text, std::size_t width);

// 59 s, 3 min 20 s, 5 h 1 min, 2 d 3 h.
std::string duration_text(double seconds);

}  // namespace troupe::apps
