#include "actors/supervision/control_channel.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace troupe::actors::supervision {

ControlChannel::ControlChannel(int fd) : fd_(fd) { fcntl(fd, F_SETFD, FD_CLOEXEC); }

std::pair<ControlChannel, ControlChannel> ControlChannel::make_pair() {
  int ends[2] = {-1, -1};
  const int made = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
  checked_fd(made == 0 ? ends[0] : -1, "cannot make a control channel").release();
  return {ControlChannel(ends[0]), ControlChannel(ends[1])};
}

bool ControlChannel::send_frame(const std::string& frame) const {
  ssize_t sent = 0;
  do {
    sent = ::send(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(frame.size());
}

std::optional<std::string> ControlChannel::receive() {
  std::string frame(kControlFrameBytesMax, '\0');
  while (!closed_) {
    // MSG_TRUNC: the packet's true length, so that one that was cut is recognised.
    const ssize_t bytes = recv(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
    closed_ = bytes <= 0;
    if (closed_ || static_cast<std::size_t>(bytes) > frame.size()) continue;
    frame.resize(static_cast<std::size_t>(bytes));
    return frame;
  }
  return std::nullopt;
}

pid_t ControlChannel::parent_pid() const {
  ucred maker{};
  socklen_t bytes = sizeof maker;
  // For a socket pair these are the credentials of the process that made it (unix(7), SO_PEERCRED).
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &maker, &bytes) != 0) return 0;
  return maker.pid;
}

void bind_to_parent(pid_t parent) {
  std::signal(SIGINT, SIG_IGN);
  // Started through /proc/self/exe, the process would be called "exe" in ps and top.
  prctl(PR_SET_NAME, "troupe");
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have died before the line above; then nobody sends the signal any more.
  if (getppid() != parent) _exit(EXIT_FAILURE);
}

}  // namespace troupe::actors::supervision
