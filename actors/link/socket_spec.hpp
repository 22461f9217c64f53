// What one end of a link is: names and endpoints from the configuration, bounds from
// config/limits.hpp.
#pragma once

#include <cstddef>
#include <string>

#include "config/limits.hpp"

namespace troupe::actors::link {

enum class SocketType { kPush, kPull, kRouter, kDealer };

struct SocketSpec {
  std::string name;  // of the edge and end, for messages: "dispatch.worker"
  SocketType type = SocketType::kPush;
  bool bind = false;      // else connect
  std::string endpoint;   // inproc://, ipc:// or tcp://
  std::string identity;   // kDealer: the routing id that the peer sees; empty: drawn by ZeroMQ
  bool numbered = false;  // both ends: a frame that is lost on the way shows, and is a refusal
  std::size_t frame_bytes_max = config::kFrameBytesMax;
};

// Index of a socket within its port.
using SocketId = std::size_t;

}  // namespace troupe::actors::link
