// A blocking HTTP client on a raw socket: says exactly the bytes it is told, and when it leaves.
#pragma once

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <string>

namespace troupe::actors::gateway::tests {

struct Reply {
  std::string head;  // status line and headers
  std::string body;  // chunks joined

  int status() const { return std::stoi(head.substr(9, 3)); }

  bool has(const std::string& line) const { return head.find(line + "\r\n") != std::string::npos; }
};

class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port) {
    socket_.connect({boost::asio::ip::address_v4::loopback(), port});
  }

  void send(const std::string& bytes) { boost::asio::write(socket_, boost::asio::buffer(bytes)); }

  void get(const std::string& target) { send("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n"); }

  void post(const std::string& target, const std::string& body, const std::string& headers = "") {
    send("POST " + target + " HTTP/1.1\r\nHost: x\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }

  // Everything up to and with `mark`.
  std::string read_until(const std::string& mark) {
    while (unread_.find(mark) == std::string::npos) {
      if (!read_more()) throw std::runtime_error("the connection ended before: " + mark);
    }
    return take(unread_.find(mark) + mark.size());
  }

  // The head of a response, and its body unless it is a stream.
  Reply read_reply() {
    Reply reply{.head = read_until("\r\n\r\n"), .body = {}};
    const std::string length = "Content-Length: ";
    if (const auto at = reply.head.find(length); at != std::string::npos) {
      const auto size = std::stoul(reply.head.substr(at + length.size()));
      while (unread_.size() < size && read_more()) {
      }
      reply.body = take(size);
    }
    return reply;
  }

  // The next chunk of a chunked body; empty: the last one.
  std::string read_chunk() {
    const auto size = std::stoul(read_until("\r\n"), nullptr, 16);
    while (unread_.size() < size + 2 && read_more()) {
    }
    const std::string bytes = take(size);
    take(2);
    return bytes;
  }

  // What comes until the server closes.
  std::string read_to_end() {
    while (read_more()) {
    }
    return take(unread_.size());
  }

  void close() { socket_.close(); }

  void reset() {
    socket_.set_option(boost::asio::socket_base::linger(true, 0));
    socket_.close();
  }

  void shrink_receive_buffer() {
    socket_.set_option(boost::asio::socket_base::receive_buffer_size(4'096));
  }

 private:
  bool read_more() {
    char bytes[4096];
    boost::system::error_code error;
    const std::size_t size = socket_.read_some(boost::asio::buffer(bytes), error);
    unread_.append(bytes, size);
    return !error;
  }

  std::string take(std::size_t size) {
    std::string taken = unread_.substr(0, size);
    unread_.erase(0, size);
    return taken;
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_{io_};
  std::string unread_;
};

}  // namespace troupe::actors::gateway::tests
