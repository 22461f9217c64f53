#include "actors/dispatch/ledger_file.hpp"

#include <algorithm>
#include <atomic>
#include <boost/crc.hpp>
#include <cstring>
#include <unordered_map>

#include "config/check.hpp"
#include "messages/wire.hpp"

namespace troupe::actors::dispatch {
namespace {

// Head: magic, which half is current. Written with single stores.
constexpr std::size_t kHeadBytes = 64;
constexpr std::uint64_t kMagic = 0x3152474C45504254;  // of no meaning
// A frame: (checksum << 32 | payload bytes), request id, kind, payload, padding to 8 bytes.
constexpr std::size_t kFrameHead = 24;

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

template <class Value>
void put_value(std::string& out, Value value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Takes values off the front of a payload whose checksum held.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <class Value>
  Value take() {
    Value value{};
    if (bytes_.size() >= sizeof value) {
      std::memcpy(&value, bytes_.data(), sizeof value);
      bytes_.remove_prefix(sizeof value);
    }
    return value;
  }

  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

template <class Message>
std::string packed(const Message& message) {
  msgpack::sbuffer buffer;
  msgpack::pack(buffer, message);
  return {buffer.data(), buffer.size()};
}

// False when the bytes are no such message: they are of another version.
template <class Message>
bool unpack(std::string_view bytes, Message& message) {
  try {
    msgpack::unpack(bytes.data(), bytes.size())->convert(message);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

std::string event_bytes(const messages::TokenEvent& event) {
  std::string out;
  put_value(out, event.position);
  put_value(out, event.token);
  put_value(out, event.logprob);
  put_value(out, event.cached_tokens);
  put_value(out, static_cast<std::uint8_t>(event.finish));
  put_value(out, static_cast<std::uint8_t>(event.resumed_inexact));
  put_value(out, static_cast<std::uint16_t>(event.top_logprobs.size()));
  for (const auto& [token, logprob] : event.top_logprobs) {
    put_value(out, token);
    put_value(out, logprob);
  }
  return out;
}

messages::TokenEvent read_event(std::string_view bytes) {
  Reader reader(bytes);
  messages::TokenEvent event;
  event.position = reader.take<std::uint32_t>();
  event.token = reader.take<std::int32_t>();
  event.logprob = reader.take<float>();
  event.cached_tokens = reader.take<std::uint32_t>();
  event.finish = static_cast<messages::FinishReason>(reader.take<std::uint8_t>());
  event.resumed_inexact = reader.take<std::uint8_t>() != 0;
  const auto top = reader.take<std::uint16_t>();
  for (std::uint16_t i = 0; i < top; ++i) {
    const auto token = reader.take<std::int32_t>();
    event.top_logprobs.emplace_back(token, reader.take<float>());
  }
  return event;
}

std::uint64_t first_word(std::uint64_t request_id, std::uint8_t kind, std::string_view payload) {
  boost::crc_32_type crc;
  crc.process_bytes(&request_id, sizeof request_id);
  crc.process_byte(kind);
  crc.process_bytes(payload.data(), payload.size());
  return (std::uint64_t{crc.checksum()} << 32U) | payload.size();
}

// Who asked, and for which call.
RestoredRequest outline_of(RestoredRequest& whole) {
  RestoredRequest outline{.accepted_us = whole.accepted_us};
  outline.request.request_id = whole.request.request_id;
  outline.request.call_first = whole.request.call_first;
  outline.request.call_size = whole.request.call_size;
  outline.request.origin = std::move(whole.request.origin);
  return outline;
}

}  // namespace

LedgerFile::LedgerFile(std::span<std::byte> memory, std::size_t compact_at, Discard discard)
    : memory_(memory),
      half_bytes_((memory.size() - kHeadBytes) / 2 / 8 * 8),
      compact_at_(compact_at),
      discard_(std::move(discard)),
      is_new_(*word(0) != kMagic) {
  CHECK(memory.size() >= kHeadBytes + 128, "the file has room for a frame");
  if (is_new_) {
    *word(1) = 0;
    std::memset(half(0), 0, sizeof(std::uint64_t));
    std::atomic_ref(*word(0)).store(kMagic, std::memory_order_release);
  }
  while (const auto frame = frame_at(used_)) {
    note(*frame, used_);
    used_ += frame->bytes;
  }
  live_ = used_;
}

std::uint64_t* LedgerFile::word(std::size_t index) const {
  return reinterpret_cast<std::uint64_t*>(memory_.data()) + index;
}

std::byte* LedgerFile::half(std::uint64_t index) const {
  return memory_.data() + kHeadBytes + (index & 1U) * half_bytes_;
}

// The frame that begins there in the current half; nothing where the log ends.
std::optional<LedgerFile::Frame> LedgerFile::frame_at(std::size_t offset) const {
  if (offset + kFrameHead > half_bytes_) return std::nullopt;
  const std::byte* begin = half(*word(1)) + offset;
  std::uint64_t head[3];
  std::memcpy(head, begin, sizeof head);
  const std::size_t size = head[0] & 0xFFFFFFFFU;
  const auto kind = static_cast<std::uint8_t>(head[2]);
  if (head[0] == 0 || offset + kFrameHead + padded(size) > half_bytes_) return std::nullopt;
  const std::string_view payload(reinterpret_cast<const char*>(begin) + kFrameHead, size);
  if (first_word(head[1], kind, payload) != head[0]) return std::nullopt;
  return Frame{.request_id = head[1],
               .kind = static_cast<Kind>(kind),
               .payload = payload,
               .bytes = kFrameHead + padded(size)};
}

// The word after the frame says that nothing follows; the frame's own first word, written last,
// that it is there.
std::size_t LedgerFile::put(std::byte* to, const Frame& frame) const {
  const std::size_t bytes = kFrameHead + padded(frame.payload.size());
  const bool last = to + bytes + sizeof(std::uint64_t) > half(to < half(1) ? 0 : 1) + half_bytes_;
  if (!last) std::memset(to + bytes, 0, sizeof(std::uint64_t));
  const auto kind = static_cast<std::uint64_t>(frame.kind);
  std::memcpy(to + 8, &frame.request_id, sizeof frame.request_id);
  std::memcpy(to + 16, &kind, sizeof kind);
  std::memcpy(to + kFrameHead, frame.payload.data(), frame.payload.size());
  const std::uint64_t first =
      first_word(frame.request_id, static_cast<std::uint8_t>(kind), frame.payload);
  std::atomic_ref(*reinterpret_cast<std::uint64_t*>(to)).store(first, std::memory_order_release);
  return bytes;
}

void LedgerFile::add(Kind kind,
                     std::uint64_t request_id,
                     std::string_view payload,
                     const Keep& keep) {
  const std::size_t bytes = kFrameHead + padded(payload.size());
  if (worth_compacting(bytes)) compact(keep);
  if (used_ + bytes > half_bytes_) {
    ++lost_;
    return;
  }
  const Frame frame{.request_id = request_id, .kind = kind, .payload = payload};
  const std::size_t offset = used_;
  used_ += put(half(*word(1)) + offset, frame);
  note(frame, offset);
}

// What lies at `offset` of the current half, for open() and holds().
void LedgerFile::note(const Frame& frame, std::size_t offset) {
  if (frame.kind == Kind::kAccept && !ended_.contains(frame.request_id)) {
    open_.try_emplace(frame.request_id, offset);
  } else if (frame.kind == Kind::kEnd) {
    open_.erase(frame.request_id);
    ended_.insert(frame.request_id);
  }
}

// A half that is full of what lives is not copied again for every frame that does not fit: that
// takes a tenth of a second for each 100 MB, and gives nothing.
bool LedgerFile::worth_compacting(std::size_t bytes) const {
  if (used_ > std::max(compact_at_, 2 * live_)) return true;
  return may_shrink_ && used_ + bytes > half_bytes_;
}

// The frame there, which lies whole in what this process has read or written: no checksum is
// needed.
LedgerFile::Frame LedgerFile::own_frame_at(std::size_t offset) const {
  std::uint64_t head[3];
  const std::byte* begin = half(*word(1)) + offset;
  std::memcpy(head, begin, sizeof head);
  const std::size_t size = head[0] & 0xFFFFFFFFU;
  return {.request_id = head[1],
          .kind = static_cast<Kind>(head[2]),
          .payload = {reinterpret_cast<const char*>(begin) + kFrameHead, size},
          .bytes = kFrameHead + padded(size)};
}

template <class Take>
void LedgerFile::for_each(std::size_t begin, const Take& take) const {
  for (std::size_t offset = begin; offset < used_;) {
    const Frame frame = own_frame_at(offset);
    take(frame);
    offset += frame.bytes;
  }
}

void LedgerFile::compact(const Keep& keep) {
  const std::uint64_t next = 1 - *word(1);
  const std::byte* from = half(*word(1));
  std::byte* to = half(next);
  live_ = 0;
  open_.clear();
  ended_.clear();
  for (std::size_t offset = 0; offset < used_;) {
    const Frame frame = own_frame_at(offset);
    if (keep(frame.request_id)) {
      std::memcpy(to + live_, from + offset, frame.bytes);
      note(frame, live_);
      live_ += frame.bytes;
    }
    offset += frame.bytes;
  }
  // Nothing follows the last one.
  if (live_ + sizeof(std::uint64_t) <= half_bytes_) {
    std::memset(to + live_, 0, sizeof(std::uint64_t));
  }
  std::atomic_ref(*word(1)).store(next, std::memory_order_release);
  used_ = live_;
  may_shrink_ = false;
  if (discard_) discard_({half(1 - next), half_bytes_});
}

std::vector<RestoredRequest> LedgerFile::fold(const Keep& wanted) const {
  return fold_from(0, wanted, Depth::kWhole);
}

std::vector<RestoredRequest> LedgerFile::outlines() const {
  return fold_from(0, {}, Depth::kOutline);
}

std::vector<RestoredRequest> LedgerFile::open() const {
  std::size_t begin = used_;
  for (const auto& [id, offset] : open_) begin = std::min(begin, offset);
  const auto is_open = [this](std::uint64_t id) { return open_.contains(id); };
  return fold_from(begin, is_open, Depth::kWhole);
}

std::vector<RestoredRequest> LedgerFile::fold_from(std::size_t begin,
                                                   const Keep& wanted,
                                                   Depth depth) const {
  std::vector<RestoredRequest> requests;
  std::unordered_map<std::uint64_t, std::size_t> index;
  for_each(begin, [&](const Frame& frame) {
    if (frame.kind == Kind::kAccept) {
      if (wanted && !wanted(frame.request_id)) return;
      Reader reader(frame.payload);
      RestoredRequest request{.accepted_us = reader.take<std::int64_t>()};
      if (!unpack(reader.rest(), request.request)) return;
      if (!index.try_emplace(frame.request_id, requests.size()).second) return;
      requests.push_back(depth == Depth::kWhole ? std::move(request) : outline_of(request));
    } else if (depth == Depth::kWhole || frame.kind == Kind::kEnd) {
      const auto known = index.find(frame.request_id);
      if (known != index.end()) fold(frame, requests[known->second]);
    }
  });
  return requests;
}

// What a frame says of a request that was accepted before.
void LedgerFile::fold(const Frame& frame, RestoredRequest& request) {
  Reader reader(frame.payload);
  if (frame.kind == Kind::kToken) {
    messages::TokenEvent event = read_event(frame.payload);
    event.request_id = frame.request_id;
    if (event.position == request.events.size()) request.events.push_back(std::move(event));
  } else if (frame.kind == Kind::kGive) {
    request.resumed_inexact = reader.take<std::uint8_t>() != 0;
    request.numerics_id = reader.rest();
  } else if (frame.kind == Kind::kJudge) {
    request.suspicion.suspect = reader.take<std::uint8_t>() != 0;
    request.suspicion.lone_crashes = reader.take<std::uint32_t>();
    const auto passed_at = reader.take<std::int64_t>();
    request.suspicion.passed_at.reset();
    if (passed_at >= 0) request.suspicion.passed_at = static_cast<std::size_t>(passed_at);
    request.suspicion.death = reader.take<std::uint64_t>();
  } else if (frame.kind == Kind::kEnd) {
    LedgerEnd end;
    if (unpack(frame.payload, end)) request.end = std::move(end);
  }
}

void LedgerFile::accept(const messages::TokenizedRequest& request,
                        std::int64_t accepted_us,
                        const Keep& keep) {
  std::string payload;
  put_value(payload, accepted_us);
  payload += packed(request);
  add(Kind::kAccept, request.request_id, payload, keep);
}

void LedgerFile::append(const messages::TokenEvent& event, const Keep& keep) {
  add(Kind::kToken, event.request_id, event_bytes(event), keep);
}

void LedgerFile::give(std::uint64_t request_id,
                      const std::string& numerics_id,
                      bool resumed_inexact,
                      const Keep& keep) {
  std::string payload;
  put_value(payload, static_cast<std::uint8_t>(resumed_inexact));
  add(Kind::kGive, request_id, payload + numerics_id, keep);
}

void LedgerFile::judge(std::uint64_t request_id, const Suspicion& suspicion, const Keep& keep) {
  std::string payload;
  put_value(payload, static_cast<std::uint8_t>(suspicion.suspect));
  put_value(payload, suspicion.lone_crashes);
  put_value(
      payload,
      suspicion.passed_at ? static_cast<std::int64_t>(*suspicion.passed_at) : std::int64_t{-1});
  put_value(payload, suspicion.death);
  add(Kind::kJudge, request_id, payload, keep);
}

void LedgerFile::end(std::uint64_t request_id, const LedgerEnd& end, const Keep& keep) {
  add(Kind::kEnd, request_id, packed(end), keep);
}

}  // namespace troupe::actors::dispatch
