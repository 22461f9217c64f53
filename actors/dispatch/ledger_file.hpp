// The ledger's memory file: frames in memory that outlives the front, from which the next front
// learns what was promised. Pure: the memory comes from the caller.
//
// The memory is a head and two halves. Frames are appended to one half; when it is full of ended
// requests, those that still matter are copied to the other, which then takes over with one store.
// A frame is there when its first word is, and counts when its checksum holds: a front may be
// killed between any two instructions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "actors/dispatch/suspects.hpp"
#include "actors/dispatch/totals.hpp"
#include "messages/failure.hpp"
#include "messages/token_frame.hpp"
#include "messages/tokenized_request.hpp"

namespace troupe::actors::dispatch {

// How a request ended, kept for a while for a client that lost its connection just then.
struct LedgerEnd {
  std::int64_t at_us = 0;  // CLOCK_MONOTONIC, which a new process reads alike
  bool failed = false;     // with `failure`; else aggregate found the end in the tokens
  messages::Failure failure;

  TROUPE_MESSAGE(LedgerEnd, at_us, failed, failure)
};

// A request as the file has it.
struct RestoredRequest {
  messages::TokenizedRequest request;
  std::int64_t accepted_us = 0;              // CLOCK_MONOTONIC
  std::vector<messages::TokenEvent> events;  // [produced]
  std::string numerics_id;       // of the worker that was last given it; empty: none was
  bool resumed_inexact = false;  // that one's numerics_id was another than an earlier one's
  Suspicion suspicion;
  std::optional<LedgerEnd> end;
};

class LedgerFile {
 public:
  // Says which requests a full half may not lose.
  using Keep = std::function<bool(std::uint64_t request_id)>;

  // Told of a half that nobody will read any more, so that its pages can be given back.
  using Discard = std::function<void(std::span<std::byte> half)>;

  // Memory of zeros, or what an earlier front left in it. At least 192 bytes, aligned to 8.
  // `compact_at` (bytes): a half is cleaned up when it holds as much and twice of what it held
  // after the last time.
  LedgerFile(std::span<std::byte> memory, std::size_t compact_at, Discard discard = {});

  // No front has used the memory before.
  bool is_new() const { return is_new_; }

  // The requests of this and earlier fronts that `wanted` names (empty: all), in the order of
  // acceptance.
  std::vector<RestoredRequest> fold(const Keep& wanted = {}) const;

  // As fold, without prompts, parameters and tokens: who asked, for which call, and whether it has
  // ended.
  std::vector<RestoredRequest> outlines() const;

  // Those that have not ended. Reads from the oldest one of them on, no more: dispatch is away
  // while it waits for this.
  std::vector<RestoredRequest> open() const;

  // The current half holds this request, and its end.
  bool has_ended(std::uint64_t request_id) const { return ended_.contains(request_id); }

  // … with or without its end.
  bool holds(std::uint64_t request_id) const {
    return open_.contains(request_id) || has_ended(request_id);
  }

  void accept(const messages::TokenizedRequest& request,
              std::int64_t accepted_us,
              const Keep& keep);
  void append(const messages::TokenEvent& event, const Keep& keep);
  void give(std::uint64_t request_id,
            const std::string& numerics_id,
            bool resumed_inexact,
            const Keep& keep);
  void judge(std::uint64_t request_id, const Suspicion& suspicion, const Keep& keep);
  void end(std::uint64_t request_id, const LedgerEnd& end, const Keep& keep);

  // Something that `keep` wanted it wants no more: cleaning up has become worth its while.
  void forgotten() { may_shrink_ = true; }

  // Cleans up now, if that may give room.
  void tidy(const Keep& keep) {
    if (may_shrink_) compact(keep);
  }

  // Too full to promise more: what is promised grows by its tokens.
  bool pressed() const { return used_ > half_bytes_ / 4 * 3; }

  // Frames that did not fit, even after cleaning up: their requests would not survive the front.
  std::uint64_t lost() const { return lost_; }

  std::size_t used() const { return used_; }  // bytes of the current half

 private:
  enum class Kind : std::uint8_t { kAccept = 1, kToken = 2, kEnd = 3, kGive = 4, kJudge = 5 };

  struct Frame {
    std::uint64_t request_id = 0;
    Kind kind{};
    std::string_view payload;
    std::size_t bytes = 0;  // in the file
  };

  static void fold(const Frame& frame, RestoredRequest& request);
  void add(Kind kind, std::uint64_t request_id, std::string_view payload, const Keep& keep);
  bool worth_compacting(std::size_t bytes) const;
  void compact(const Keep& keep);
  std::byte* half(std::uint64_t index) const;
  std::uint64_t* word(std::size_t index) const;
  std::optional<Frame> frame_at(std::size_t offset) const;
  Frame own_frame_at(std::size_t offset) const;
  template <class Take>
  void for_each(std::size_t begin, const Take& take) const;
  enum class Depth : std::uint8_t { kWhole, kOutline };
  std::vector<RestoredRequest> fold_from(std::size_t begin, const Keep& wanted, Depth depth) const;
  void note(const Frame& frame, std::size_t offset);
  std::size_t put(std::byte* to, const Frame& frame) const;

  std::span<std::byte> memory_;
  std::size_t half_bytes_;
  std::size_t compact_at_;
  Discard discard_;
  bool is_new_ = false;
  std::size_t live_ = 0;    // bytes after the last cleaning up
  bool may_shrink_ = true;  // something was forgotten since
  std::size_t used_ = 0;
  std::map<std::uint64_t, std::size_t> open_;  // where requests that have not ended begin
  std::unordered_set<std::uint64_t> ended_;    // the others of the current half
  std::uint64_t lost_ = 0;
};

}  // namespace troupe::actors::dispatch
