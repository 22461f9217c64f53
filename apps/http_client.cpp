#include "apps/http_client.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <utility>

#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using namespace std::chrono_literals;
using config::UserError;
using Request = http::request<http::string_body>;

// A server that computes sends a comment every ten seconds (config::kSsePingInterval).
constexpr auto kSilenceMax = 60s;
// How often `stop` is asked while nothing arrives.
constexpr auto kStopInterval = 100ms;
// A whole answer; more is not ours.
constexpr std::uint64_t kBodyBytesMax = 64ULL << 20U;

// One request on one connection. Operations are asynchronous only so that they can time out and be
// stopped; one thread waits for each.
class Exchange {
 public:
  Exchange(const Url& url, const HttpClient::Stop& stop)
      : url_(url), stop_(stop), stream_(context_) {
    parser_.body_limit(kBodyBytesMax);
  }

  HttpReply run(const Request& request, const HttpClient::OnPiece* on_piece) {
    if (!connect() || !send(request) || !read_header()) return {};
    const bool pieces = on_piece != nullptr && parser_.get().result_int() == 200;
    while (!parser_.is_done()) {
      if (!read_some()) return {};
      if (pieces) (*on_piece)(std::exchange(parser_.get().body(), {}));
    }
    return {static_cast<int>(parser_.get().result_int()), std::move(parser_.get().body())};
  }

 private:
  // Each of these is false when `stop` asked to end.
  bool connect() {
    asio::ip::tcp::resolver resolver(context_);
    beast::error_code error;
    const auto addresses = resolver.resolve(url_.host, url_.port, error);
    if (error) fail("cannot find the host", error);
    return wait("cannot connect", [&](auto done) {
      stream_.async_connect(addresses, [done](beast::error_code e, const auto&) { done(e); });
    });
  }

  bool send(const Request& request) {
    return wait("cannot send", [&](auto done) {
      http::async_write(stream_, request, [done](beast::error_code e, std::size_t) { done(e); });
    });
  }

  bool read_header() {
    return wait("no answer", [&](auto done) {
      http::async_read_header(
          stream_, buffer_, parser_, [done](beast::error_code e, std::size_t) { done(e); });
    });
  }

  bool read_some() {
    return wait("the answer broke off", [&](auto done) {
      http::async_read_some(
          stream_, buffer_, parser_, [done](beast::error_code e, std::size_t) { done(e); });
    });
  }

  template <class Start>
  bool wait(const char* what, Start start) {
    bool finished = false;
    beast::error_code error;
    stream_.expires_after(kSilenceMax);
    start([&](beast::error_code e) {
      finished = true;
      error = e;
    });
    bool stopped = false;
    while (!finished) {
      context_.restart();
      context_.run_for(kStopInterval);
      if (stopped || !stop_()) continue;
      stopped = true;
      stream_.cancel();
    }
    if (stopped) return false;
    if (error) fail(what, error);
    return true;
  }

  [[noreturn]] void fail(const char* what, const beast::error_code& error) const {
    throw UserError(url_.text() + ": " + what + " (" + error.message() +
                    "): is the server running there? (`troupe serve`)");
  }

  const Url& url_;
  const HttpClient::Stop& stop_;
  asio::io_context context_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
};

Request request_of(const Url& url, http::verb verb, const std::string& target) {
  Request request{verb, url.path + target, 11};
  request.set(http::field::host, url.host + ":" + url.port);
  request.set(http::field::user_agent, "troupe");
  request.set(http::field::connection, "close");
  return request;
}

Request json_request(const Url& url, const std::string& target, const std::string& json) {
  Request request = request_of(url, http::verb::post, target);
  request.set(http::field::content_type, "application/json");
  request.body() = json;
  request.prepare_payload();
  return request;
}

}  // namespace

std::string Url::text() const { return "http://" + host + ":" + port + path; }

Url parse_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  const std::string given(text.substr(0, 120));
  const UserError wrong("--url must be http://HOST[:PORT], not \"" + given + "\"");
  const bool clean = std::ranges::none_of(text, [](char c) { return c <= ' ' || c == '\x7F'; });
  if (!clean || !text.starts_with(kScheme)) throw wrong;
  text.remove_prefix(kScheme.size());
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash);
  Url url{.host = {}, .port = "80", .path = std::string(text.substr(slash))};
  while (url.path.ends_with('/')) url.path.pop_back();
  const std::size_t bracket = authority.find(']');  // of an IPv6 address
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    url.port = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']')) {
    authority = authority.substr(1, authority.size() - 2);
  }
  url.host = authority;
  const bool digits = std::ranges::all_of(url.port, [](char c) { return c >= '0' && c <= '9'; });
  if (url.host.empty() || url.port.empty() || url.port.size() > 5 || !digits) throw wrong;
  return url;
}

HttpClient::HttpClient(Url url, Stop stop) : url_(std::move(url)), stop_(std::move(stop)) {}

HttpReply HttpClient::get(const std::string& target) const {
  return Exchange(url_, stop_).run(request_of(url_, http::verb::get, target), nullptr);
}

HttpReply HttpClient::post(const std::string& target, const std::string& json) const {
  return Exchange(url_, stop_).run(json_request(url_, target, json), nullptr);
}

HttpReply HttpClient::post(const std::string& target,
                           const std::string& json,
                           const OnPiece& on_piece) const {
  return Exchange(url_, stop_).run(json_request(url_, target, json), &on_piece);
}

}  // namespace troupe::apps
