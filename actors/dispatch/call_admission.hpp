// Whether the answers of one call may enter the queue: together, or none of them. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>

namespace troupe::actors::dispatch {

// A call's requests come one by one, in any order, because several tokenizers work on them. The
// first one decides for all and keeps places for the rest.
class CallAdmission {
 public:
  // True when the request may enter a queue with `room` free places. The call's requests have the
  // ids call_first … call_first + call_size - 1.
  bool admit(std::uint64_t request_id,
             std::uint64_t call_first,
             std::uint32_t call_size,
             std::size_t room);

  // This request failed before it came here.
  void skip(std::uint64_t request_id);

  // Places that are kept for requests on their way.
  std::size_t reserved() const { return reserved_; }

 private:
  struct Call {
    std::uint32_t size = 0;
    std::uint32_t seen = 0;
    bool accepted = false;
  };

  using Calls = std::map<std::uint64_t, Call>;  // by their first request

  void count(Calls::iterator call);

  Calls calls_;  // of which not all requests have been seen
  std::deque<std::uint64_t> skipped_;
  std::size_t reserved_ = 0;

  // As many as may be on their way from preprocess, by far.
  static constexpr std::size_t kSkippedMax = 4096;
};

}  // namespace troupe::actors::dispatch
