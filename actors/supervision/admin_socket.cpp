#include "actors/supervision/admin_socket.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "config/user_error.hpp"

namespace troupe::actors::supervision {
namespace {

// A person, a dashboard and a script; more are answered too, but the oldest silent one leaves.
constexpr std::size_t kClientsMax = 16;
// A request is one short object.
constexpr std::size_t kRequestBytesMax = 4096;

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  // finish_config has checked the length; a longer one would be cut and bind elsewhere.
  if (text.size() >= sizeof address.sun_path) throw config::UserError(text + ": path too long");
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

UniqueFd listen_at(const std::filesystem::path& path) {
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  const mode_t before = umask(0177);  // never open to others, not even between bind and chmod
  const int bound =
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  umask(before);
  if (bound != 0 || listen(listener.get(), kClientsMax) != 0) {
    throw config::UserError(path.string() + ": cannot open the admin socket: " +
                            std::strerror(errno) + "; choose another folder with --state");
  }
  return listener;
}

// A reader that lags loses its connection: root waits for nobody.
bool send_line(int fd, std::string_view line) {
  std::string bytes(line);
  bytes += '\n';
  return send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

}  // namespace

AdminSocket::AdminSocket(std::filesystem::path path)
    : path_(std::move(path)),
      listener_(listen_at(path_)),
      events_(checked_fd(epoll_create1(EPOLL_CLOEXEC), "cannot make an epoll")) {
  watch(listener_.get());
}

AdminSocket::~AdminSocket() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

void AdminSocket::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(events_.get(), EPOLL_CTL_ADD, fd, &event);
}

void AdminSocket::serve(const Handler& handler) {
  epoll_event events[kClientsMax + 1];
  const int count = epoll_wait(events_.get(), events, kClientsMax + 1, 0);
  for (int i = 0; i < count; ++i) {
    const int fd = events[i].data.fd;
    if (fd == listener_.get()) continue;
    const auto client =
        std::ranges::find_if(clients_, [&](const Client& one) { return one.fd.get() == fd; });
    if (client != clients_.end() && !serve_client(*client, handler)) clients_.erase(client);
  }
  // Last, so that a number that was closed above cannot be taken for its next owner.
  accept_clients();
}

void AdminSocket::accept_clients() {
  for (std::size_t round = 0; round < kClientsMax; ++round) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    if (clients_.size() >= kClientsMax) drop_oldest();
    watch(fd.get());
    clients_.push_back({.fd = std::move(fd)});
  }
}

// Those who await the end of a drain are silent by right, so others go first.
void AdminSocket::drop_oldest() {
  const auto idle = std::ranges::find(clients_, false, &Client::awaits_end);
  clients_.erase(idle == clients_.end() ? clients_.begin() : idle);
}

bool AdminSocket::serve_client(Client& client, const Handler& handler) {
  char buffer[kRequestBytesMax];
  const ssize_t bytes = recv(client.fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (bytes < 0) return errno == EAGAIN || errno == EINTR;
  if (bytes == 0) return false;
  client.request.append(buffer, static_cast<std::size_t>(bytes));
  return answer_lines(client, handler) && client.request.size() <= kRequestBytesMax;
}

bool AdminSocket::answer_lines(Client& client, const Handler& handler) {
  for (;;) {
    const std::size_t end = client.request.find('\n');
    if (end == std::string::npos) return true;
    const AdminReply reply = handler(std::string_view(client.request).substr(0, end));
    client.request.erase(0, end + 1);
    client.awaits_end = client.awaits_end || reply.awaits_end;
    if (!send_line(client.fd.get(), reply.line)) return false;
  }
}

void AdminSocket::finish(std::string_view line) {
  for (const Client& client : clients_) {
    if (client.awaits_end) send_line(client.fd.get(), line);
  }
}

}  // namespace troupe::actors::supervision
