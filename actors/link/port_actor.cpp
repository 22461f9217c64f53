#include "actors/link/port_actor.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <zmq.hpp>

#include "actors/link/frame_numbers.hpp"
#include "config/check.hpp"
#include "config/user_error.hpp"

namespace troupe::actors::link {
namespace {

// Frames taken from one socket before the others and the mailbox get their turn.
constexpr int kReceiveBurst = 64;
// Reconnection starts at once and stays frequent: a restarted peer should not wait for us.
constexpr int kReconnectMsFirst = 10;
constexpr int kReconnectMsMax = 200;
// How often a test's delays are looked after.
constexpr std::chrono::milliseconds kHeldLook{10};

zmq::socket_type zmq_type(SocketType type) {
  switch (type) {
    case SocketType::kPush:
      return zmq::socket_type::push;
    case SocketType::kPull:
      return zmq::socket_type::pull;
    case SocketType::kRouter:
      return zmq::socket_type::router;
    case SocketType::kDealer:
      return zmq::socket_type::dealer;
  }
  CHECK(false, "every socket type has a ZeroMQ type");
}

// The version of this link whose frames carried no numbers yet.
constexpr std::uint8_t kUnnumberedMinor = 0;

// This end's own for what is no frame: that is refused for what it is.
std::uint8_t minor_of(std::string_view frame) {
  messages::Header header;
  return messages::read_header(frame, header).empty() ? header.version_minor
                                                      : messages::kVersionMinor;
}

// What a worker hears first from a front is that front's first frame to it, or it would wait for
// what was lost. A front may be new to workers that have long been counting.
FirstNumber first_number(SocketType type) {
  return type == SocketType::kDealer ? FirstNumber::kOne : FirstNumber::kAny;
}

void set_options(zmq::socket_t& socket, const SocketSpec& spec) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, config::kLinkHighWaterMark);
  socket.set(zmq::sockopt::rcvhwm, config::kLinkHighWaterMark);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(spec.frame_bytes_max));
  socket.set(zmq::sockopt::reconnect_ivl, kReconnectMsFirst);
  // On the same machine the other side is there in a moment, and a try costs microseconds.
  const bool local = spec.endpoint.starts_with("ipc://");
  socket.set(zmq::sockopt::reconnect_ivl_max, local ? kReconnectMsFirst : kReconnectMsMax);
  if (spec.type == SocketType::kRouter) {
    socket.set(zmq::sockopt::router_mandatory, true);
    socket.set(zmq::sockopt::router_handover, true);
  }
  if (spec.type == SocketType::kDealer && !spec.identity.empty()) {
    socket.set(zmq::sockopt::routing_id, spec.identity);
  }
}

[[noreturn]] void refuse_endpoint(const SocketSpec& spec, const zmq::error_t& error) {
  const std::string verb = spec.bind ? "listen on " : "connect to ";
  const std::string remedy = error.num() == EADDRINUSE
                                 ? "; choose another endpoint or stop the process that uses it"
                                 : "; correct the endpoint (inproc://, ipc:// or tcp://HOST:PORT)";
  throw config::UserError("link " + spec.name + ": cannot " + verb + spec.endpoint + ": " +
                          error.what() + remedy);
}

// The sockets of a process and what is done with the frames they bring.
class Sockets {
 public:
  Sockets(std::vector<SocketSpec> specs,
          RefusalHandler on_refusal,
          std::shared_ptr<LinkFaults> faults)
      : specs_(std::move(specs)), on_refusal_(std::move(on_refusal)), faults_(std::move(faults)) {
    for (const SocketSpec& spec : specs_) {
      numbers_.emplace_back(first_number(spec.type));
      sockets_.emplace_back(context_, zmq_type(spec.type));
      set_options(sockets_.back(), spec);
    }
    open(true);  // inproc peers find one another whichever comes first, but a bound endpoint fails
                 // early
    open(false);
  }

  void set_routes(Routes routes) {
    CHECK(routes->size() == specs_.size(), "each socket has its routes");
    routes_ = std::move(routes);
  }

  // The wake-up descriptor first; the sockets once there is somewhere for their frames to go.
  std::vector<zmq::pollitem_t> poll_items(int wake_fd) {
    std::vector<zmq::pollitem_t> items;
    items.push_back({nullptr, wake_fd, ZMQ_POLLIN, 0});
    if (!routes_) return items;
    for (zmq::socket_t& socket : sockets_) items.push_back({socket.handle(), 0, ZMQ_POLLIN, 0});
    return items;
  }

  void send(SocketId id, const std::string& peer, const std::string& frame) {
    CHECK(id < sockets_.size(), "senders are made with the port's own socket ids");
    if (!specs_[id].numbered) return send_on(id, peer, frame);
    std::string numbered;
    numbered.reserve(frame.size() + kNumberBytes);
    numbered = frame;
    numbers_[id].stamp(peer, numbered);
    send_on(id, peer, numbered);
  }

  // Takes at most a burst of frames from socket `id`.
  void receive(SocketId id) {
    const bool routed = specs_[id].type == SocketType::kRouter;
    for (int taken = 0; taken < kReceiveBurst; ++taken) {
      zmq::message_t peer;
      zmq::message_t frame;
      if (!sockets_[id].recv(routed ? peer : frame, zmq::recv_flags::dontwait)) return;
      if (routed && peer.more()) (void)sockets_[id].recv(frame);
      zmq::message_t surplus;  // a frame of ours is one part: what follows is dropped with it
      bool more = frame.more();
      const bool whole = !more && (!routed || peer.more());
      while (more) {
        (void)sockets_[id].recv(surplus);
        more = surplus.more();
      }
      const std::string_view bytes = whole ? frame.to_string_view() : std::string_view{};
      if (!is_taken(id, Way::kIn, peer.to_string_view(), bytes)) {
        take(id, peer.to_string_view(), bytes);
      }
    }
  }

  // Lets go on what a test has kept back. Returns how long the poller may wait.
  std::chrono::milliseconds let_go() {
    if (!faults_ || !faults_->holds()) return std::chrono::milliseconds(-1);
    for (const HeldFrame& held : faults_->take_due(std::chrono::steady_clock::now())) {
      held.way == Way::kOut ? send_now(held.socket, held.peer, held.frame)
                            : take(held.socket, held.peer, held.frame);
    }
    return kHeldLook;
  }

 private:
  void send_on(SocketId id, const std::string& peer, const std::string& frame) {
    if (!is_taken(id, Way::kOut, peer, frame)) send_now(id, peer, frame);
  }

  void send_now(SocketId id, const std::string& peer, const std::string& frame) {
    try {
      if (!peer.empty()) {
        const auto routed = sockets_[id].send(zmq::buffer(peer),
                                              zmq::send_flags::sndmore | zmq::send_flags::dontwait);
        if (!routed) return lose(id, peer, "the pipe to the peer is full");
      }
      if (!sockets_[id].send(zmq::buffer(frame), zmq::send_flags::dontwait)) {
        lose(id, peer, "the pipe is full");
      }
    } catch (const zmq::error_t& error) {
      lose(id, peer, error.num() == EHOSTUNREACH ? "the peer is gone" : error.what());
    }
  }

  bool is_taken(SocketId id, Way way, std::string_view peer, std::string_view frame) {
    return faults_ &&
           faults_->takes(specs_[id], id, way, peer, frame, std::chrono::steady_clock::now());
  }

  void open(bool bind) {
    for (SocketId id = 0; id < sockets_.size(); ++id) {
      const SocketSpec& spec = specs_[id];
      if (spec.bind != bind) continue;
      try {
        bind ? sockets_[id].bind(spec.endpoint) : sockets_[id].connect(spec.endpoint);
      } catch (const zmq::error_t& error) {
        refuse_endpoint(spec, error);
      }
    }
  }

  void take(SocketId id, std::string_view peer, std::string_view frame) {
    if (specs_[id].numbered) {
      const std::uint8_t minor = minor_of(frame);
      if (minor != messages::kVersionMinor) return refuse_version(id, peer, minor);
      if (!numbers_[id].take(peer, frame)) {
        lose(id, peer, "frames before this one were lost on the way");
      }
    }
    handle(id, peer, frame);
  }

  // The answer speaks the peer's own version, or it would not be read.
  void refuse_version(SocketId id, std::string_view peer, std::uint8_t minor) {
    if (const auto& answer_for = (*routes_)[id].answer_other_version) {
      std::string answer = answer_for(minor);
      answer[messages::kMinorAt] = static_cast<char>(minor);
      minor == kUnnumberedMinor ? send_on(id, std::string(peer), answer)
                                : send(id, std::string(peer), answer);
    }
    const std::string major = std::to_string(messages::kVersionMajor) + ".";
    refuse(id,
           peer,
           {.why = "the peer speaks version " + major + std::to_string(minor) +
                   " of this link, this end " + major + std::to_string(messages::kVersionMinor) +
                   ": run the same release of troupe on both"});
  }

  void handle(SocketId id, std::string_view peer, std::string_view frame) {
    const SocketRoutes& routes = (*routes_)[id];
    messages::WireError error;
    if (routes.raw) {
      error = routes.raw(peer, frame);
    } else {
      messages::Header header;
      error = messages::read_header(frame, header);
      if (error.empty()) {
        const auto found = routes.handlers.find(header.kind);
        error = found == routes.handlers.end()
                    ? "kind " + std::to_string(static_cast<int>(header.kind)) + " is not taken here"
                    : found->second(peer, frame);
      }
    }
    if (!error.empty()) refuse(id, peer, {.why = error});
  }

  void lose(SocketId id, std::string_view peer, std::string why) {
    refuse(id, peer, {.lost = true, .why = std::move(why)});
  }

  void refuse(SocketId id, std::string_view peer, const Refusal& refusal) {
    if (on_refusal_) on_refusal_(specs_[id].name, peer, refusal);
  }

  std::vector<SocketSpec> specs_;
  RefusalHandler on_refusal_;
  std::vector<FrameNumbers> numbers_;  // of each socket
  std::shared_ptr<LinkFaults> faults_;
  Routes routes_;
  zmq::context_t context_{1};
  std::vector<zmq::socket_t> sockets_;
};

class PortActor : public caf::blocking_actor {
 public:
  PortActor(caf::actor_config& config, std::unique_ptr<Sockets> sockets)
      : caf::blocking_actor(config),
        sockets_(std::move(sockets)),
        wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    CHECK(wake_fd_ >= 0, "an eventfd needs one file descriptor");
  }

  ~PortActor() override { ::close(wake_fd_); }

  const char* name() const override { return "port"; }

  // A message must also wake the poller, which waits on sockets: once for all that come before it
  // looks.
  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit* unit) override {
    caf::blocking_actor::enqueue(std::move(element), unit);
    if (is_woken_.exchange(true)) return;
    const std::uint64_t one = 1;
    (void)!::write(wake_fd_, &one, sizeof one);
  }

  void act() override {
    std::vector<zmq::pollitem_t> items = sockets_->poll_items(wake_fd_);
    bool running = true;
    while (running) {
      zmq::poll(items, sockets_->let_go());
      if (items[0].revents != 0) {
        std::uint64_t wakes = 0;
        (void)!::read(wake_fd_, &wakes, sizeof wakes);
        is_woken_ = false;  // before the mailbox is read: what comes after it wakes again
        running = drain_mailbox();
        if (items.size() == 1) items = sockets_->poll_items(wake_fd_);
      }
      for (SocketId id = 0; id + 1 < items.size(); ++id) {
        if (items[id + 1].revents != 0) sockets_->receive(id);
      }
    }
    sockets_.reset();  // closes on the thread that used them
  }

 private:
  // False once an exit message was read: what came before it has been sent.
  bool drain_mailbox() {
    bool running = true;
    while (has_next_message()) {
      receive(
          [this](std::uint64_t socket, const std::string& peer, const std::string& frame) {
            sockets_->send(socket, peer, frame);
          },
          [this](Routes routes) { sockets_->set_routes(std::move(routes)); },
          [this, &running](const caf::exit_msg& exit) {
            fail_state(exit.reason);
            running = false;
          });
    }
    return running;
  }

  std::unique_ptr<Sockets> sockets_;
  int wake_fd_;
  std::atomic<bool> is_woken_ = false;
};

}  // namespace

caf::actor spawn_port(caf::actor_system& system,
                      std::vector<SocketSpec> specs,
                      RefusalHandler on_refusal,
                      std::shared_ptr<LinkFaults> faults) {
  auto sockets =
      std::make_unique<Sockets>(std::move(specs), std::move(on_refusal), std::move(faults));
  return caf::actor_cast<caf::actor>(system.spawn<PortActor, caf::detached>(std::move(sockets)));
}

void start_port(const caf::actor& port, std::vector<SocketRoutes> routes) {
  caf::anon_send(port, std::make_shared<std::vector<SocketRoutes>>(std::move(routes)));
}

void Sender::send_frame(std::string peer, std::string frame) const {
  caf::anon_send(port_, std::uint64_t{socket_}, std::move(peer), std::move(frame));
}

FrameHandler deliver_raw_to(caf::actor stage) {
  return [stage = std::move(stage)](std::string_view peer, std::string_view frame) {
    caf::anon_send(stage, std::string(peer), std::string(frame));
    return messages::WireError{};
  };
}

}  // namespace troupe::actors::link
