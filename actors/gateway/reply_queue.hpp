// What waits to be written to one connection while a write is in flight. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::actors::gateway {

// Everything that queued during one write leaves in the next: a slow reader costs few, large
// writes.
class ReplyQueue {
 public:
  explicit ReplyQueue(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // False when the reader is too slow: more than `bytes_max` would wait behind the write in flight.
  bool push(std::string_view bytes) {
    if (in_flight_ && waiting_.size() + bytes.size() > bytes_max_) return false;
    waiting_ += bytes;
    return true;
  }

  // All that waits, now in flight. Requires that nothing is in flight.
  std::string take() {
    in_flight_ = !waiting_.empty();
    return std::exchange(waiting_, {});
  }

  void written() { in_flight_ = false; }

  bool in_flight() const { return in_flight_; }

 private:
  std::size_t bytes_max_;
  std::string waiting_;
  bool in_flight_ = false;
};

}  // namespace troupe::actors::gateway
