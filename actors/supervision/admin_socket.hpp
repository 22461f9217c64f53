// The node's admin socket: a UNIX stream socket of mode 0600 for lines. Bounded and never blocking:
// a client that sends too much, reads nothing or stays silent costs itself its connection and
// nobody anything.
#pragma once

#include <filesystem>
#include <functional>
#include <list>
#include <string>
#include <string_view>

#include "actors/supervision/unique_fd.hpp"

namespace troupe::actors::supervision {

struct AdminReply {
  std::string line;
  bool awaits_end = false;  // the client stays to hear finish()
};

class AdminSocket {
 public:
  using Handler = std::function<AdminReply(std::string_view line)>;

  // Replaces a socket that a dead node left: the caller holds the node's lock. Throws
  // config::UserError.
  explicit AdminSocket(std::filesystem::path path);
  // Removes the socket.
  ~AdminSocket();
  AdminSocket(const AdminSocket&) = delete;
  AdminSocket& operator=(const AdminSocket&) = delete;

  // Readable when serve() has something to do.
  int fd() const { return events_.get(); }

  // Answers what has come.
  void serve(const Handler& handler);

  // The last line to the clients that await the end.
  void finish(std::string_view line);

 private:
  struct Client {
    UniqueFd fd;
    std::string request;  // a line that has not ended yet
    bool awaits_end = false;
  };

  void accept_clients();
  void watch(int fd);
  void drop_oldest();
  // False: the connection is to be closed.
  bool serve_client(Client& client, const Handler& handler);
  static bool answer_lines(Client& client, const Handler& handler);

  std::filesystem::path path_;
  UniqueFd listener_;
  UniqueFd events_;            // an epoll of the listener and the clients
  std::list<Client> clients_;  // oldest first
};

}  // namespace troupe::actors::supervision
