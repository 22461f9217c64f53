// A small HTTP/1.1 client for commands that talk to a running server: plain http, one request a
// connection.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace troupe::apps {

struct Url {
  std::string host;  // without brackets
  std::string port;
  std::string path;  // empty, or begins with / and does not end with it

  std::string text() const;  // http://HOST:PORT/path
};

// http://HOST[:PORT][/path]. Throws config::UserError for anything else.
Url parse_url(std::string_view text);

struct HttpReply {
  int status = 0;
  std::string body;
};

class HttpClient {
 public:
  using Stop = std::function<bool()>;                     // asked several times a second
  using OnPiece = std::function<void(std::string_view)>;  // of a body, as it arrives

  explicit HttpClient(
      Url url, Stop stop = [] { return false; });

  // `target` follows the URL's path. All three throw config::UserError when the server cannot be
  // reached, breaks off, or is silent for a minute. When `stop` says so they return at once, with
  // status 0.
  HttpReply get(const std::string& target) const;
  HttpReply post(const std::string& target, const std::string& json) const;

  // A reply of status 200 goes to `on_piece` and not into the result's body.
  HttpReply post(const std::string& target, const std::string& json, const OnPiece& on_piece) const;

  const Url& url() const { return url_; }

 private:
  Url url_;
  Stop stop_;
};

}  // namespace troupe::apps
