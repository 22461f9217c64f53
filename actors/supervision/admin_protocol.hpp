// What the admin socket speaks: one JSON object a line each way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "messages/control.hpp"

namespace troupe::actors::supervision {

enum class AdminCommand : std::uint8_t { kStatus, kDrain };

struct AdminRequest {
  AdminCommand command{};
  std::string error;  // why it is none, or empty
};

// {"command":"status"} or {"command":"drain"}; unknown keys are ignored.
AdminRequest read_admin_request(std::string_view line);

struct ProcessStatus {
  std::string name;
  std::int64_t pid = 0;  // 0: not running
  std::string state;     // starting, ready, stopping, waiting, ended
  std::uint64_t generation = 0;
  double uptime_s = 0.0;
  std::uint32_t restarts = 0;
  std::uint32_t waiting = 0;                  // requests in its mailbox, not begun
  std::uint32_t in_flight = 0;                // requests that it works on
  std::vector<messages::StageStatus> stages;  // of it, in the order of their start
  std::string last_reason;                    // why the previous incarnation ended, or empty
};

struct NodeStatus {
  std::string node;  // its state folder
  std::string version;
  double uptime_s = 0.0;
  bool ready = false;
  bool draining = false;
  messages::FrontStatus front;  // the latest
  std::vector<ProcessStatus> processes;
};

// The answer to `status`, as docs name its fields.
std::string to_json_line(const NodeStatus& status);

std::string error_json_line(std::string_view error);

}  // namespace troupe::actors::supervision
