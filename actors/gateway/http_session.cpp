#include "actors/gateway/http_session.hpp"

#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>
#include <ctime>

#include "actors/gateway/http_routes.hpp"
#include "config/check.hpp"

namespace troupe::actors::gateway {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

// Read at once while an answer is computed: the next request of a client that pipelines.
constexpr std::size_t kWatchBytes = 4096;
// Header lines and the first bytes of the body.
constexpr std::size_t kBufferBytesMax = config::kHttpHeaderBytesMax + std::size_t{64} * 1024;
// A client whose request was refused half-read gets this long to read why.
constexpr std::chrono::milliseconds kLingerTimeout{2'000};

// Source: RFC 9110, section 5.6.7.
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 64> text{};
  const auto size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
}

HttpResponse response_to(const boost::system::error_code& error) {
  if (error == http::error::body_limit) {
    return error_response(
        {.status = 413,
         .message = "the body may have at most " + std::to_string(config::kBodyBytesMax) + " bytes",
         .code = "too_large"});
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return error_response({.status = 431,
                           .message = "the header lines may have at most " +
                                      std::to_string(config::kHttpHeaderBytesMax) + " bytes",
                           .code = "too_large"});
  }
  return error_response({.status = 400,
                         .message = "the request is not valid HTTP: " + error.message(),
                         .code = "invalid_http"});
}

}  // namespace

HttpSession::HttpSession(asio::ip::tcp::socket socket, ConnectionId id, SessionHost& host)
    : socket_(std::move(socket)),
      id_(id),
      host_(host),
      timer_(socket_.get_executor()),
      buffer_(kBufferBytesMax),
      queue_(host.options.reply_bytes_max) {
  Error ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  // A client whose machine is gone says nothing: the kernel asks.
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
}

void HttpSession::read_request() {
  if (host_.stopping) return close();
  phase_ = Phase::kReading;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(config::kHttpHeaderBytesMax));
  parser_->body_limit(config::kBodyBytesMax);
  request_ = {.connection = id_};
  framing_ = {};
  body_unread_ = false;
  arm(host_.options.idle_timeout);
  http::async_read_header(
      socket_, buffer_, *parser_, [self = shared_from_this()](Error error, std::size_t) {
        self->on_header(error);
      });
}

void HttpSession::on_header(Error error) {
  if (phase_ != Phase::kReading) return;
  if (error) return refuse_read(error);
  note_request();
  if (const auto refusal = refuse_route(request_.method, request_.target)) return refuse(*refusal);
  if (parser_->is_done()) return on_body({});
  if (!boost::beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
    return read_body();
  }
  writing_ = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(
      socket_, asio::buffer(writing_), [self = shared_from_this()](Error write_error, std::size_t) {
        if (self->phase_ != Phase::kReading) return;
        write_error ? self->close() : self->read_body();
      });
}

void HttpSession::note_request() {
  const auto& message = parser_->get();
  started_ = std::chrono::steady_clock::now();
  request_.method = std::string(message.method_string());
  request_.target = std::string(message.target());
  request_.idempotency_key = std::string(message["Idempotency-Key"]);
  request_.last_event_id = std::string(message["Last-Event-ID"]);
  request_.authorization = std::string(message[http::field::authorization]);
  body_unread_ = !parser_->is_done();
  // A header that was refused half-read says nothing about its connection, and asking would abort.
  framing_ = {.keep_alive = parser_->is_header_done() && parser_->keep_alive(),
              .head_only = message.method() == http::verb::head,
              .chunked = message.version() >= 11,
              .date = http_date()};
}

void HttpSession::read_body() {
  http::async_read(
      socket_, buffer_, *parser_, [self = shared_from_this()](Error error, std::size_t) {
        self->on_body(error);
      });
}

void HttpSession::on_body(Error error) {
  if (phase_ != Phase::kReading) return;
  if (error) return refuse_read(error);
  disarm();
  body_unread_ = false;
  phase_ = Phase::kAnswering;
  started_ = std::chrono::steady_clock::now();
  HttpRequest whole = request_;
  whole.body = std::move(parser_->get().body());
  parser_.reset();
  host_.handlers.on_request(std::move(whole));
  watch();
}

// Parse errors are answered; a connection that broke or fell silent is not.
void HttpSession::refuse_read(Error error) {
  const bool parse_error = error.category() == make_error_code(http::error::bad_method).category();
  if (!parse_error || error == http::error::end_of_stream ||
      error == http::error::partial_message) {
    return close();
  }
  if (request_.method.empty()) note_request();
  refuse(response_to(error));
}

void HttpSession::refuse(const HttpResponse& response) {
  if (body_unread_ || !parser_->is_done()) framing_.keep_alive = false;
  body_unread_ = !framing_.keep_alive;
  phase_ = Phase::kAnswering;
  respond(response, {.finish = "invalid"});
}

void HttpSession::start_full() {
  started_ = std::chrono::steady_clock::now();
  framing_ = {.keep_alive = false, .date = http_date()};
  body_unread_ = true;
  phase_ = Phase::kAnswering;
  respond(error_response({.status = 503,
                          .message = "the server has as many connections as it takes",
                          .type = "service_unavailable_error",
                          .code = "unavailable",
                          .retry_after_ms = 1'000}),
          {.finish = "overload"});
}

// A read that normally ends only when the client leaves.
void HttpSession::watch() {
  if (watching_ || phase_ != Phase::kAnswering) return;
  if (buffer_.size() + kWatchBytes > buffer_.max_size()) return;  // it pipelines a lot: enough
  watching_ = true;
  socket_.async_read_some(buffer_.prepare(kWatchBytes),
                          [self = shared_from_this()](Error error, std::size_t bytes) {
                            self->on_watched(error, bytes);
                          });
}

void HttpSession::on_watched(Error error, std::size_t bytes) {
  watching_ = false;
  if (phase_ == Phase::kClosed || phase_ == Phase::kLingering) return;
  buffer_.commit(bytes);
  const bool stopped_by_us = error == asio::error::operation_aborted && phase_ == Phase::kIdle;
  if (error && !stopped_by_us) return phase_ == Phase::kAnswering ? abandon() : close();
  phase_ == Phase::kIdle ? read_request() : watch();
}

void HttpSession::respond(const HttpResponse& response, CallNote note) {
  if (phase_ != Phase::kAnswering) return;
  note_ = std::move(note);
  if (host_.stopping) framing_.keep_alive = false;
  status_ = response.status;
  ended_ = true;
  write(to_bytes(response, framing_));
}

void HttpSession::perform(const HttpStreamBegin& effect) {
  if (phase_ != Phase::kAnswering) return;
  if (!framing_.chunked) framing_.keep_alive = false;
  status_ = effect.head.status;
  streaming_ = true;
  head_ = stream_head(effect.head, framing_);
  pump();
}

void HttpSession::perform(const HttpStreamWrite& effect) {
  if (phase_ != Phase::kAnswering) return;
  if (!queue_.push(effect.bytes)) return abandon();
  pump();
}

void HttpSession::perform(HttpStreamEnd effect) {
  if (phase_ != Phase::kAnswering) return;
  note_ = std::move(effect.note);
  ended_ = true;
  pump();
}

// Writes what waits, unless a write is in flight.
void HttpSession::pump() {
  if (!writing_.empty()) return;
  std::string bytes = std::exchange(head_, {});
  if (const std::string batch = queue_.take(); !batch.empty()) {
    bytes += framing_.chunked ? chunk(batch) : batch;
  }
  if (ended_ && streaming_) {
    if (framing_.chunked) bytes += kLastChunk;
    streaming_ = false;
  }
  if (!bytes.empty()) return write(std::move(bytes));
  if (ended_) finish_exchange();
}

void HttpSession::write(std::string bytes) {
  writing_ = std::move(bytes);
  arm(host_.options.idle_timeout);
  asio::async_write(
      socket_, asio::buffer(writing_), [self = shared_from_this()](Error error, std::size_t) {
        self->on_written(error);
      });
}

void HttpSession::on_written(Error error) {
  if (phase_ != Phase::kAnswering) return;
  if (error) return abandon();
  disarm();
  writing_.clear();
  queue_.written();
  pump();
}

void HttpSession::finish_exchange() {
  log(status_);
  const bool keep_alive = framing_.keep_alive && !host_.stopping;
  status_ = 0;
  ended_ = false;
  if (!keep_alive) return body_unread_ ? linger() : close();
  if (!watching_) return read_request();
  // The watching read becomes the wait for the next request.
  phase_ = Phase::kIdle;
  arm(host_.options.idle_timeout);
  if (buffer_.size() > 0) socket_.cancel();
}

// Closing with unread bytes would reset the connection, perhaps before the client read the answer.
void HttpSession::linger() {
  phase_ = Phase::kLingering;
  Error ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  arm(kLingerTimeout);
  discard();
}

void HttpSession::discard() {
  buffer_.clear();
  socket_.async_read_some(buffer_.prepare(kWatchBytes),
                          [self = shared_from_this()](Error error, std::size_t) {
                            if (self->phase_ != Phase::kLingering) return;
                            error ? self->close() : self->discard();
                          });
}

// The response cannot reach the client as a whole: it left, or reads too slowly.
void HttpSession::abandon() {
  note_.finish = "cancelled";
  log(499);
  const bool told = !ended_;
  close();
  if (told) host_.handlers.on_gone(id_);
}

void HttpSession::close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  disarm();
  Error ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  host_.forget(id_);
}

void HttpSession::stop() {
  framing_.keep_alive = false;
  if (phase_ != Phase::kAnswering) close();
}

void HttpSession::arm(std::chrono::milliseconds timeout) {
  timer_.expires_after(timeout);
  timer_.async_wait([weak = weak_from_this()](Error error) {
    const auto self = weak.lock();
    if (!self || error) return;
    if (self->timer_.expiry() > std::chrono::steady_clock::now()) return;  // armed again meanwhile
    self->phase_ == Phase::kAnswering ? self->abandon() : self->close();
  });
}

void HttpSession::log(int status) {
  if (!host_.options.on_access) return;
  const auto elapsed = std::chrono::steady_clock::now() - started_;
  const std::string& target = request_.target;
  host_.options.on_access({.proto = "http",
                           .method = request_.method,
                           .path = target.substr(0, target.find('?')),
                           .status = static_cast<std::uint32_t>(status),
                           .request_id = note_.request_id,
                           .prompt_tokens = note_.prompt_tokens,
                           .produced_tokens = note_.produced_tokens,
                           .finish = note_.finish,
                           .duration_s = std::chrono::duration<double>(elapsed).count(),
                           .first_token_s = note_.first_token_s});
  note_ = {};
}

}  // namespace troupe::actors::gateway
