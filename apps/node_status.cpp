#include "apps/node_status.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "config/user_error.hpp"

namespace troupe::apps {

using nlohmann::json;

std::string ask_status(const NodeChoice& node) {
  // A root that does not answer for this long is stopped or hangs.
  constexpr std::chrono::seconds kAnswerTimeout{5};
  AdminClient client(node.state_folder());
  client.send_line(R"({"command":"status"})");
  return client.read_line(kAnswerTimeout);
}

std::string draw_status(std::string_view line,
                        const std::function<std::string(const json&)>& draw) {
  try {
    return draw(json::parse(line));
  } catch (const json::exception& error) {
    throw config::UserError(
        std::string("the node's answer is no status (is it another version?): ") + error.what());
  }
}

const char* state_of(const json& status) {
  if (status.at("draining")) return "draining";
  return status.at("ready") ? "ready" : "not ready";
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text + "  ";
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds);
  const auto two = [](std::int64_t large, const char* a, std::int64_t small, const char* b) {
    return std::to_string(large) + a + std::to_string(small) + b;
  };
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return two(whole / 60, " min ", whole % 60, " s");
  if (whole < 86'400) return two(whole / 3600, " h ", whole / 60 % 60, " min");
  return two(whole / 86'400, " d ", whole / 3600 % 24, " h");
}

}  // namespace troupe::apps
