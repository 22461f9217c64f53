// One JSON object on one line, built field by field: what every log of the node consists of.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::actors::observe {

// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that
// every line parses.
void append_json_text(std::string& out, std::string_view text);

class JsonLine {
 public:
  JsonLine& text(std::string_view name, std::string_view value);
  JsonLine& number(std::string_view name, std::uint64_t value);
  JsonLine& seconds(std::string_view name, double value);  // six digits; not finite: null
  JsonLine& flag(std::string_view name, bool value);
  JsonLine& null(std::string_view name);
  JsonLine& object(std::string_view name, const JsonLine& value);

  // {"a":1,"b":"c"}, without a line feed.
  std::string str() const { return line_ + '}'; }

 private:
  void name(std::string_view name);

  std::string line_ = "{";
};

// A moment, by default now, as 2026-01-31T23:59:59.123Z, for ts_wall.
std::string wall_clock_text(
    std::chrono::system_clock::time_point moment = std::chrono::system_clock::now());

}  // namespace troupe::actors::observe
