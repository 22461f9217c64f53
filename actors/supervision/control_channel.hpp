// Root ↔ one child: a socket pair of packets, each one frame of messages/wire.hpp. Nothing here
// blocks.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "actors/supervision/unique_fd.hpp"
#include "messages/wire_kinds.hpp"

namespace troupe::actors::supervision {

// A control message is a few hundred bytes; a longer packet is dropped whole.
inline constexpr std::size_t kControlFrameBytesMax = std::size_t{64} << 10;

class ControlChannel {
 public:
  // Takes the descriptor: a child's comes from --control-fd.
  explicit ControlChannel(int fd);

  // Both ends; the descriptors are not inherited by other children.
  static std::pair<ControlChannel, ControlChannel> make_pair();

  // False when the other side is gone or does not read. May be called from any thread.
  template <class Message>
  bool send(const Message& message, std::uint64_t generation = 0) const {
    return send_frame(messages::encode(message, generation));
  }

  bool send_frame(const std::string& frame) const;

  // The next frame; nothing when none waits, or when the other side is gone (then closed() is
  // true).
  std::optional<std::string> receive();

  // The other side is gone and everything it sent was received.
  bool closed() const { return closed_; }

  // For poll: POLLIN when a frame waits, POLLHUP when the other side is gone.
  int fd() const { return fd_.get(); }

  // The process that made the pair: root, as its child sees it. 0: unknown.
  pid_t parent_pid() const;

 private:
  UniqueFd fd_;
  bool closed_ = false;
};

// To be called first in a child, on its main thread: the process dies with `parent` (from
// ControlChannel::parent_pid), at once if that is dead already, and ignores SIGINT, because Ctrl-C
// goes to the whole group and root decides.
void bind_to_parent(pid_t parent);

}  // namespace troupe::actors::supervision
