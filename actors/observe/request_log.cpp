#include "actors/observe/request_log.hpp"

#include "actors/observe/json_line.hpp"

namespace troupe::actors::observe {
namespace {

// Clients choose paths and ids and peers choose error texts; none may fill the disk with one line.
constexpr std::size_t kFieldBytesMax = 512;

std::string_view bounded(std::string_view text) { return text.substr(0, kFieldBytesMax); }

// What follows the question mark may be a prompt.
std::string_view without_query(std::string_view path) { return path.substr(0, path.find('?')); }

}  // namespace

std::string AccessRecord::to_line() const {
  JsonLine line;
  line.text("ts_wall", wall_clock_text())
      .text("proto", proto)
      .text("method", bounded(method))
      .text("path", bounded(without_query(path)))
      .number("status", status)
      .text("request_id", bounded(request_id))
      .number("prompt_tokens", prompt_tokens)
      .number("produced_tokens", produced_tokens)
      .text("finish", bounded(finish))
      .seconds("duration_s", duration_s);
  if (first_token_s < 0) return line.null("ttft_s").str();
  return line.seconds("ttft_s", first_token_s).str();
}

std::string ErrorRecord::to_line() const {
  JsonLine line;
  line.text("ts_wall", wall_clock_text())
      .text("where", bounded(where))
      .text("code", bounded(code))
      .text("text", bounded(text));
  if (request_id.empty()) return line.null("request_id").str();
  return line.text("request_id", bounded(request_id)).str();
}

}  // namespace troupe::actors::observe
