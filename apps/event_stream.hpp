// Server-sent events from pieces of a body, wherever the pieces were cut.
// Format: html.spec.whatwg.org/multipage/server-sent-events.html
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::apps {

class EventStream {
 public:
  // The data of every event that `piece` completes. Comments and other fields are skipped.
  std::vector<std::string> take(std::string_view piece);

 private:
  void take_line(std::string_view line, std::vector<std::string>& events);

  std::string line_;  // not finished yet
  std::string data_;  // of the event at hand
  bool has_data_ = false;
};

}  // namespace troupe::apps
