// The port: the one thread of a process that owns its ZeroMQ sockets, an actor on one side and a
// poller on the other.
#pragma once

#include <caf/all.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/link/link_faults.hpp"
#include "actors/link/socket_spec.hpp"
#include "messages/type_ids.hpp"

namespace troupe::actors::link {

// Takes a frame that arrived. `peer` is the routing id behind a ROUTER, empty elsewhere. Runs on
// the port's thread, so it decodes and sends, nothing else. Returns why the frame was refused, or
// empty.
using FrameHandler =
    std::function<messages::WireError(std::string_view peer, std::string_view frame)>;

// What a link did not pass on.
struct Refusal {
  // A frame, or some before it, did not reach its reader. Else one came that nobody can read: to
  // send it again would help nobody.
  bool lost = false;
  std::string why;
};

// Counts and logs; called on the port's thread.
using RefusalHandler =
    std::function<void(const std::string& socket, std::string_view peer, const Refusal& refusal)>;

// What is done with the frames that one socket brings.
struct SocketRoutes {
  std::unordered_map<messages::Kind, FrameHandler> handlers;  // by kind; others are refused
  FrameHandler
      raw;  // when set, takes every frame instead: for the public door, which answers errors
  // Of a numbered link: what a peer is answered that speaks another minor version of it, and whose
  // frames are all refused. Empty: nothing.
  std::function<std::string(std::uint8_t minor)> answer_other_version;
};

// One for each socket, in the order of the specs.
using Routes = std::shared_ptr<std::vector<SocketRoutes>>;

// Spawns the port, detached, with its sockets open: it sends at once, and receives when it has its
// routes, because the stages that routes lead to hold senders of this port. Binds before it
// connects and throws config::UserError naming the endpoint when one is in use or malformed. Ends
// on an exit message after it sent what its mailbox still held. `faults`: of a test, or none.
caf::actor spawn_port(caf::actor_system& system,
                      std::vector<SocketSpec> specs,
                      RefusalHandler on_refusal,
                      std::shared_ptr<LinkFaults> faults = nullptr);

// Once for each port.
void start_port(const caf::actor& port, std::vector<SocketRoutes> routes);

// An edge as its sender sees it. Cheap to copy; safe to use from any actor or thread.
class Sender {
 public:
  Sender() = default;

  Sender(caf::actor port, SocketId socket, std::uint64_t epoch)
      : port_(std::move(port)), socket_(socket), epoch_(epoch) {}

  // Packs in the caller's thread; the port sends without blocking.
  template <class Message>
  void send(const Message& message) const {
    send_frame({}, messages::encode(message, epoch_));
  }

  // Behind a ROUTER: to the peer with this routing id. A peer that is gone is a refusal, not an
  // error.
  template <class Message>
  void send_to(const std::string& peer, const Message& message) const {
    send_frame(peer, messages::encode(message, epoch_));
  }

  void send_frame(std::string peer, std::string frame) const;

 private:
  caf::actor port_;
  SocketId socket_ = 0;
  std::uint64_t epoch_ = 0;
};

// A handler that decodes `Message` and sends it to `stage`.
template <class Message>
FrameHandler deliver_to(caf::actor stage) {
  return [stage = std::move(stage)](std::string_view, std::string_view frame) {
    Message message;
    messages::WireError error = messages::decode(frame, message);
    if (error.empty()) caf::anon_send(stage, std::move(message));
    return error;
  };
}

// As deliver_to, and sends (peer, message): for a ROUTER, whose stage must know who spoke.
template <class Message>
FrameHandler deliver_with_peer_to(caf::actor stage) {
  return [stage = std::move(stage)](std::string_view peer, std::string_view frame) {
    Message message;
    messages::WireError error = messages::decode(frame, message);
    if (error.empty()) caf::anon_send(stage, std::string(peer), std::move(message));
    return error;
  };
}

// As deliver_to, to the members of a pool in turn.
template <class Message>
FrameHandler deliver_in_turn(std::vector<caf::actor> pool) {
  return [pool = std::move(pool), next = std::size_t{0}](std::string_view,
                                                         std::string_view frame) mutable {
    Message message;
    messages::WireError error = messages::decode(frame, message);
    if (error.empty()) caf::anon_send(pool[next++ % pool.size()], std::move(message));
    return error;
  };
}

// A handler that sends (peer, frame) undecoded: the ZeroMQ door answers malformed frames itself.
FrameHandler deliver_raw_to(caf::actor stage);

}  // namespace troupe::actors::link

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::link::Routes)
