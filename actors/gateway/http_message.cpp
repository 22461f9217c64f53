#include "actors/gateway/http_message.hpp"

#include <charconv>

namespace troupe::actors::gateway {
namespace {

std::string head(const HttpResponse& response, const HttpFraming& framing) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
  out += reason_phrase(response.status);
  out += "\r\nServer: troupe\r\n";
  if (!framing.date.empty()) out += "Date: " + framing.date + "\r\n";
  out += framing.keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
  out += "Content-Type: " + response.content_type + "\r\n";
  for (const auto& [name, value] : response.headers) out += name + ": " + value + "\r\n";
  return out;
}

}  // namespace

std::string to_bytes(const HttpResponse& response, const HttpFraming& framing) {
  std::string out = head(response, framing);
  out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n\r\n";
  if (!framing.head_only) out += response.body;
  return out;
}

std::string stream_head(const HttpResponse& response, const HttpFraming& framing) {
  std::string out = head(response, framing);
  if (framing.chunked) out += "Transfer-Encoding: chunked\r\n";
  return out + "\r\n";
}

std::string chunk(std::string_view bytes) {
  char size[16];
  const auto end = std::to_chars(size, size + sizeof size, bytes.size(), 16).ptr;
  std::string out(size, end);
  out += "\r\n";
  out += bytes;
  return out += "\r\n";
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

}  // namespace troupe::actors::gateway
