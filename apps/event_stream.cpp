#include "apps/event_stream.hpp"

#include <utility>

namespace troupe::apps {

std::vector<std::string> EventStream::take(std::string_view piece) {
  std::vector<std::string> events;
  for (std::size_t end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
    line_ += piece.substr(0, end);
    piece.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    take_line(line_, events);
    line_.clear();
  }
  line_ += piece;
  return events;
}

void EventStream::take_line(std::string_view line, std::vector<std::string>& events) {
  constexpr std::string_view kData = "data:";
  if (line.empty()) {
    if (std::exchange(has_data_, false)) events.push_back(std::exchange(data_, {}));
    return;
  }
  if (!line.starts_with(kData)) return;
  line.remove_prefix(kData.size());
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (has_data_) data_ += '\n';
  data_ += line;
  has_data_ = true;
}

}  // namespace troupe::apps
