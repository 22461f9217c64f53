#include "actors/dispatch/call_admission.hpp"

#include <algorithm>

namespace troupe::actors::dispatch {

bool CallAdmission::admit(std::uint64_t request_id,
                          std::uint64_t call_first,
                          std::uint32_t call_size,
                          std::size_t room) {
  const bool member = request_id >= call_first && request_id - call_first < call_size;
  if (call_size <= 1 || !member) return room > reserved_;
  const auto [call, is_new] = calls_.try_emplace(call_first, Call{.size = call_size});
  if (is_new) {
    const auto left_out = std::erase_if(skipped_, [&](std::uint64_t id) {
      return id >= call_first && id - call_first < call_size;
    });
    call->second.seen = static_cast<std::uint32_t>(left_out);
    const std::size_t wanted = call_size - left_out;
    call->second.accepted = room >= reserved_ + wanted;
    if (call->second.accepted) reserved_ += wanted;
  }
  const bool accepted = call->second.accepted;
  count(call);
  return accepted;
}

void CallAdmission::skip(std::uint64_t request_id) {
  auto call = calls_.upper_bound(request_id);
  if (call != calls_.begin() && request_id - (--call)->first < call->second.size) {
    return count(call);
  }
  skipped_.push_back(request_id);
  if (skipped_.size() > kSkippedMax) skipped_.pop_front();
}

void CallAdmission::count(Calls::iterator call) {
  if (call->second.accepted) --reserved_;
  if (++call->second.seen == call->second.size) calls_.erase(call);
}

}  // namespace troupe::actors::dispatch
