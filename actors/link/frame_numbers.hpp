// Numbers on the frames of a link, so that a receiver notices when one was lost on its way. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace troupe::actors::link {

// What follows a numbered frame: its number, little-endian.
inline constexpr std::size_t kNumberBytes = sizeof(std::uint64_t);

// With which number a sender's new incarnation begins.
enum class FirstNumber : std::uint8_t {
  kOne,  // it counts for this peer alone: any other first number means that frames were lost
  kAny,  // the peer itself is new to it: nobody knows how many frames others had from it
};

// Of one socket, both ways. A link keeps the order of frames, so each must follow the one before
// it.
class FrameNumbers {
 public:
  explicit FrameNumbers(FirstNumber first) : first_(first) {}

  // Appends the number of this frame to `peer` (empty: there is but one).
  void stamp(std::string_view peer, std::string& frame);

  // Takes the number off a frame of `peer`. False when it does not follow the one before it of the
  // same sender's incarnation (the epoch of its header), is not the first one's, or has none:
  // frames are missing.
  bool take(std::string_view peer, std::string_view& frame);

 private:
  struct Peer {
    std::uint64_t sent = 0;
    std::uint64_t epoch = 0;     // of what came from it
    std::uint64_t received = 0;  // 0: nothing yet
    std::uint64_t used = 0;      // turn of its latest frame
  };

  Peer& find(std::string_view name);

  FirstNumber first_;
  std::map<std::string, Peer, std::less<>> peers_;
  std::uint64_t turn_ = 0;

  // Dead incarnations stay until they are the longest unused; far above how many workers live.
  static constexpr std::size_t kPeersMax = 1024;
};

}  // namespace troupe::actors::link
