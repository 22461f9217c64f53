// A frame on any link: a 16-byte header (magic, version, kind, epoch) and a msgpack map. Documented
// in docs/protocol.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "messages/message.hpp"

namespace troupe::messages {

// The kinds of frame. Numbers are the protocol's and never change; 1 … 63 are public.
enum class Kind : std::uint16_t {
  kHello = 1,
  kWelcome = 2,
  kGenerate = 3,
  kAccepted = 4,
  kChunk = 5,
  kFinal = 6,
  kError = 7,
  kCancel = 8,
  kPing = 9,
  kPong = 10,
  kGenerateRequest = 64,
  kTokenizedRequest = 65,
  kFailure = 66,
  kCancelRequest = 67,
  kCancelWork = 68,
  kWorkItem = 69,
  kBatch = 70,
  kBatchResult = 71,
  kTokenFrame = 72,
  kJournaledTokens = 73,
  kReplyPlan = 74,
  kReplyFinished = 75,
  kReplyChunks = 76,
  kWorkerHello = 77,
  kWorkerWelcome = 78,
  kWorkerBeat = 79,
  kReleased = 80,
  kReplayRequest = 81,
  kChildReady = 96,
  kChildProgress = 97,
  kFrontStatus = 98,
  kSiblingDown = 99,
  kDrain = 100,
  kNodeReadiness = 101,
  kAdmit = 102,
  kStageEvent = 103,
  kWorksMoved = 104,
};

inline constexpr std::string_view kMagic = "TRPE";
inline constexpr std::uint8_t kVersionMajor = 1;
// 1: frames between front and workers carry a number (actors/link/frame_numbers.hpp). Clients may
// speak any minor version; on the worker link both ends must be of the same.
inline constexpr std::uint8_t kVersionMinor = 1;
inline constexpr std::size_t kHeaderBytes = 16;
inline constexpr std::size_t kMinorAt = 5;  // of a header's bytes

struct Header {
  std::uint8_t version_major = kVersionMajor;
  std::uint8_t version_minor = kVersionMinor;
  Kind kind{};
  std::uint64_t epoch = 0;  // the sender's incarnation; 0 from clients
};

// Why a frame cannot be read, for the sender and the log; empty when it can.
using WireError = std::string;

// Bytes 0–3 magic, 4 major, 5 minor, 6–7 kind, 8–15 epoch, little-endian.
void append_header(std::string& frame, const Header& header);

// Refuses short frames, other magics and other majors. An unknown kind is left to the caller.
WireError read_header(std::string_view frame, Header& header);

// Unpacks a msgpack body with bounds on depth, arrays, maps and strings, so that no frame makes the
// reader allocate more than a small multiple of its own size. The error names what is wrong.
WireError unpack_body(std::string_view frame, msgpack::object_handle& body);

// The kind that a message type travels as; specialised for each in wire_kinds.hpp.
template <class Message>
inline constexpr Kind kKindOf{};

template <class Message>
std::string encode(const Message& message, std::uint64_t epoch) {
  struct StringStream {
    std::string& out;

    void write(const char* bytes, std::size_t size) { out.append(bytes, size); }
  };

  std::string frame;
  append_header(frame, {.kind = kKindOf<Message>, .epoch = epoch});
  StringStream stream{frame};
  msgpack::pack(stream, message);
  return frame;
}

// Reads the body of a frame whose header was read. On error `message` is unspecified.
template <class Message>
WireError decode(std::string_view frame, Message& message) {
  msgpack::object_handle body;
  if (WireError error = unpack_body(frame, body); !error.empty()) return error;
  if (body->type != msgpack::type::MAP) return "the body is not a msgpack map";
  try {
    body->convert(message);
  } catch (const msgpack::type_error&) {
    return std::string("a field of ") + Message::kMessageName +
           " has another type than docs/protocol.md says";
  }
  return {};
}

}  // namespace troupe::messages
