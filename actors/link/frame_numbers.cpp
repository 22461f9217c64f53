#include "actors/link/frame_numbers.hpp"

#include <algorithm>
#include <cstring>

#include "messages/wire.hpp"

namespace troupe::actors::link {
namespace {

// Bytes 8–15 of a header (messages/wire.hpp).
constexpr std::size_t kEpochAt = 8;

std::uint64_t number_at(std::string_view bytes, std::size_t at) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

}  // namespace

FrameNumbers::Peer& FrameNumbers::find(std::string_view name) {
  auto found = peers_.find(name);
  if (found == peers_.end()) {
    if (peers_.size() >= kPeersMax) {
      peers_.erase(std::ranges::min_element(
          peers_, {}, [](const auto& entry) { return entry.second.used; }));
    }
    found = peers_.emplace(name, Peer{}).first;
  }
  found->second.used = ++turn_;
  return found->second;
}

void FrameNumbers::stamp(std::string_view peer, std::string& frame) {
  const std::uint64_t number = ++find(peer).sent;
  frame.append(reinterpret_cast<const char*>(&number), sizeof number);
}

bool FrameNumbers::take(std::string_view peer, std::string_view& frame) {
  if (frame.size() < messages::kHeaderBytes + kNumberBytes) return false;
  const std::uint64_t number = number_at(frame, frame.size() - kNumberBytes);
  const std::uint64_t epoch = number_at(frame, kEpochAt);
  frame.remove_suffix(kNumberBytes);
  Peer& sender = find(peer);
  const bool is_new = sender.received == 0 || sender.epoch != epoch;
  const std::uint64_t expected = is_new ? 1 : sender.received + 1;
  const bool follows = number == expected || (is_new && first_ == FirstNumber::kAny);
  sender.epoch = epoch;
  sender.received = number;
  return follows;
}

}  // namespace troupe::actors::link
