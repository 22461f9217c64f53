#include "apps/admin_client.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "config/node_config.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

// A node's status is a few kilobytes.
constexpr std::size_t kLineBytesMax = std::size_t{1} << 20;

}  // namespace

void NodeChoice::add_to(CLI::App& command) {
  command.add_option("--config", config_, "The node's configuration file, for its state folder");
  command.add_option("--state", state_, "The node's state folder (default: ./state)");
}

std::filesystem::path NodeChoice::state_folder() const {
  if (!state_.empty()) return std::filesystem::absolute(state_);
  if (!config_.empty()) return config::load_config(config_).node.state;
  return std::filesystem::absolute("state");
}

AdminClient::AdminClient(const std::filesystem::path& state)
    : path_((state / "admin.sock").string()),
      fd_(actors::supervision::checked_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                          "cannot make a socket")) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) {
    throw config::UserError(path_ + ": longer than a socket path may be, so no node runs there");
  }
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const std::string remedy = errno == EACCES
                                   ? "run the command as the user who started the node"
                                   : "start it with `troupe serve`, or name its folder with "
                                     "--state or --config";
    throw config::UserError(path_ + ": no node answers (" + std::strerror(errno) + "); " + remedy);
  }
}

void AdminClient::send_line(std::string_view line) {
  std::string bytes(line);
  bytes += '\n';
  if (send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
    throw config::UserError(path_ + ": the node went away: " + std::strerror(errno));
  }
}

std::string AdminClient::read_line(std::chrono::seconds timeout) {
  const timeval limit{.tv_sec = timeout.count(), .tv_usec = 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  while (buffer_.find('\n') == std::string::npos) {
    char bytes[4096];
    const ssize_t count = recv(fd_.get(), bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      throw config::UserError(path_ + ": the node did not answer within " +
                              std::to_string(timeout.count()) + " s");
    }
    if (count <= 0 || buffer_.size() > kLineBytesMax) {
      throw config::UserError(path_ + ": the node went away before it answered");
    }
    buffer_.append(bytes, static_cast<std::size_t>(count));
  }
  const std::size_t end = buffer_.find('\n');
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

}  // namespace troupe::apps
