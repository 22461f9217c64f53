// Losses and delays that a test orders on the sockets of a port. Not there in a node that serves.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/link/socket_spec.hpp"

namespace troupe::actors::link {

enum class Way : std::uint8_t { kIn, kOut };

struct HeldFrame {
  SocketId socket = 0;
  Way way{};
  std::string peer;
  std::string frame;
};

// Orders may come from any thread; the rest is the port's.
class LinkFaults {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // "drop SOCKET in|out COUNT": the next frames are lost. "delay SOCKET in|out MILLISECONDS": those
  // of the next milliseconds wait for their end, and go on in order. False: it is no such order.
  bool order(const std::string& text, Time now);

  // True when the frame does not go on now: it is lost, or waits.
  bool takes(const SocketSpec& spec,
             SocketId socket,
             Way way,
             std::string_view peer,
             std::string_view frame,
             Time now);

  // What has waited long enough.
  std::vector<HeldFrame> take_due(Time now);

  bool holds() const;

 private:
  struct Fault {
    std::uint64_t losses = 0;  // frames still to lose
    Time until{};              // frames wait until then
    std::size_t held = 0;      // frames that wait: those that follow must, too
  };

  using Direction = std::pair<std::string, Way>;  // a socket's name

  mutable std::mutex mutex_;
  std::map<Direction, Fault> faults_;
  std::deque<std::pair<Direction, HeldFrame>> held_;
};

}  // namespace troupe::actors::link
