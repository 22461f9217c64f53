// One HTTP connection: reads a request, waits for its answer while watching for the client to
// leave, writes it, and starts again. Everything happens on the server's thread.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "actors/gateway/http_server.hpp"
#include "actors/gateway/reply_queue.hpp"

namespace troupe::actors::gateway {

// What all sessions share.
struct SessionHost {
  HttpServerOptions options;
  HttpHandlers handlers;
  std::function<void(ConnectionId)> forget;  // the session is over
  bool stopping = false;
};

class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(boost::asio::ip::tcp::socket socket, ConnectionId id, SessionHost& host);

  void start() { read_request(); }

  // Answers 503 without reading anything: the server is full.
  void start_full();

  void perform(HttpRespond effect) { respond(effect.response, std::move(effect.note)); }

  void perform(const HttpStreamBegin& effect);
  void perform(const HttpStreamWrite& effect);
  void perform(HttpStreamEnd effect);

  // Takes no further request: closes at once when idle, else after the answer.
  void stop();

 private:
  enum class Phase { kReading, kAnswering, kIdle, kLingering, kClosed };
  using Error = boost::system::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void read_request();
  void on_header(Error error);
  void read_body();
  void on_body(Error error);
  void refuse_read(Error error);
  void refuse(const HttpResponse& response);
  void note_request();
  void respond(const HttpResponse& response, CallNote note);
  void watch();
  void on_watched(Error error, std::size_t bytes);
  void pump();
  void write(std::string bytes);
  void on_written(Error error);
  void finish_exchange();
  void linger();
  void discard();
  void abandon();
  void close();
  void arm(std::chrono::milliseconds timeout);

  void disarm() { timer_.cancel(); }

  void log(int status);

  boost::asio::ip::tcp::socket socket_;
  ConnectionId id_;
  SessionHost& host_;
  boost::asio::steady_timer timer_;
  Phase phase_ = Phase::kReading;

  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  bool watching_ = false;

  HttpRequest request_;  // of the exchange: method and target, kept for the log
  HttpFraming framing_;
  bool body_unread_ = false;  // then the connection cannot be used again
  std::chrono::steady_clock::time_point started_;

  ReplyQueue queue_;
  std::string head_;     // of a stream, until the first write
  std::string writing_;  // in flight
  int status_ = 0;
  CallNote note_;
  bool streaming_ = false;
  bool ended_ = false;  // the response is whole, in the queue or written
};

}  // namespace troupe::actors::gateway
