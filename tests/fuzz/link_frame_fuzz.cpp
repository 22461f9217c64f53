// Frames between stages and processes, of any bytes: the message of the header's kind is read or
// refused, and what was read says the same when it is sent on.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "actors/link/frame_numbers.hpp"
#include "config/check.hpp"
#include "messages/wire_kinds.hpp"

using namespace troupe;

namespace {

// False when the frame is of another kind. Bytes are compared, for a NaN is not equal to itself.
template <class Message>
bool read_as(std::string_view frame, messages::Kind kind) {
  if (kind != messages::kKindOf<Message>) return false;
  Message message;
  if (!messages::decode(frame, message).empty()) return true;
  const std::string sent = messages::encode(message, 1);
  Message arrived;
  CHECK(messages::decode(sent, arrived).empty(), "what was read can be sent on");
  CHECK(messages::encode(arrived, 1) == sent, "and says the same");
  return true;
}

template <class... Messages>
void read_one_of(std::string_view frame, messages::Kind kind) {
  (void)(read_as<Messages>(frame, kind) || ...);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace m = messages;
  std::string_view frame(reinterpret_cast<const char*>(data), size);
  m::Header header;
  if (!m::read_header(frame, header).empty()) return 0;
  read_one_of<m::client::Hello,
              m::client::Welcome,
              m::client::Generate,
              m::client::Accepted,
              m::client::Chunk,
              m::client::Final,
              m::client::Error,
              m::client::Cancel,
              m::client::Ping,
              m::client::Pong>(frame, header.kind);
  read_one_of<m::GenerateRequest,
              m::TokenizedRequest,
              m::Failure,
              m::CancelRequest,
              m::CancelWork,
              m::WorkItem,
              m::Batch,
              m::BatchResult,
              m::TokenFrame,
              m::JournaledTokens,
              m::ReplyPlan,
              m::ReplyFinished,
              m::ReplyChunks,
              m::WorkerHello,
              m::WorkerWelcome,
              m::WorkerBeat,
              m::Released,
              m::ReplayRequest>(frame, header.kind);
  read_one_of<m::ChildReady,
              m::ChildProgress,
              m::FrontStatus,
              m::SiblingDown,
              m::Drain,
              m::NodeReadiness,
              m::Admit,
              m::StageEvent,
              m::WorksMoved>(frame, header.kind);
  m::WorkItem name;
  m::read_work_name(frame, name);
  actors::link::FrameNumbers numbers(actors::link::FirstNumber::kAny);
  if (numbers.take("worker", frame)) numbers.take("worker", frame);
  return 0;
}
