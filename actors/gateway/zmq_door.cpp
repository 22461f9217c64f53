#include "actors/gateway/zmq_door.hpp"

#include <algorithm>

#include "actors/gateway/failure_reply.hpp"
#include "actors/gateway/repeated_chunk.hpp"
#include "actors/gateway/zmq_generate.hpp"

namespace troupe::actors::gateway {
namespace {

namespace client = messages::client;
using messages::ChunkKind;
using messages::Failure;
using messages::FailureCode;
using messages::FinishReason;
using messages::Kind;

client::Final final_of(const std::string& id,
                       FinishReason finish,
                       std::uint32_t prompt,
                       std::uint32_t produced,
                       std::uint32_t cached) {
  const char* reason = finish == FinishReason::kLength      ? "length"
                       : finish == FinishReason::kCancelled ? "cancelled"
                                                            : "stop";
  return {.id = id,
          .choice = 0,
          .reason = reason,
          .usage = {.prompt_tokens = prompt,
                    .completion_tokens = produced,
                    .total_tokens = prompt + produced,
                    .cached_tokens = cached}};
}

}  // namespace

std::string ZmqDoor::error_frame(const std::string& id, const Failure& failure) const {
  return messages::encode(
      client::Error{.id = id,
                    .code = zmq_code(failure.code),
                    .message = failure.message,
                    .retry_after_ms = std::min(failure.retry_after_ms, config::kRetryAfterMsMax)},
      options_.front_epoch);
}

void ZmqDoor::send_error(const std::string& peer,
                         const std::string& id,
                         const Failure& failure,
                         Effects& effects) const {
  effects.emplace_back(ZmqSend{peer, error_frame(id, failure)});
}

void ZmqDoor::on_frame(const std::string& peer,
                       std::string_view frame,
                       const Admission& admission,
                       Now now,
                       Effects& effects) {
  const Input input{peer, admission, now, effects};
  if (const auto known = clients_.find(peer); known != clients_.end()) {
    known->second.heard_ms = now.mono_ms;
    known->second.unreachable_ms.reset();
    known->second.grace_ms = kClientGraceMs;
  }
  const auto refuse = [&](const char* code, std::string why) {
    send(peer, client::Error{.id = {}, .code = code, .message = std::move(why)}, effects);
  };
  if (frame.size() > kClientFrameBytesMax) {
    return refuse("too_large",
                  "a frame may have at most " + std::to_string(kClientFrameBytesMax) + " bytes");
  }
  messages::Header header;
  if (auto error = messages::read_header(frame, header); !error.empty()) {
    return refuse("malformed", std::move(error));
  }
  const auto with_body = [&]<class Message>(Message message, auto&& handle) {
    auto error = messages::decode(frame, message);
    error.empty() ? handle(std::move(message)) : refuse("malformed", std::move(error));
  };
  switch (header.kind) {
    case Kind::kHello:
      return with_body(client::Hello{}, [&](client::Hello) {
        send(peer,
             client::Welcome{.version = options_.version,
                             .model = options_.model,
                             .context_max = options_.context_max,
                             .frame_bytes_max = kClientFrameBytesMax,
                             .credit = options_.credit},
             effects);
      });
    case Kind::kGenerate:
      return with_body(client::Generate{},
                       [&](client::Generate generate) { on_generate(input, std::move(generate)); });
    case Kind::kCancel:
      return with_body(client::Cancel{},
                       [&](const client::Cancel& cancel) { on_cancel(input, cancel.id); });
    case Kind::kPong:
      return;  // that it came is all it says
    case Kind::kPing:
      return with_body(client::Ping{}, [&](client::Ping ping) {
        send(peer, client::Pong{.nonce = ping.nonce}, effects);
      });
    default:
      return refuse("malformed",
                    "kind " + std::to_string(static_cast<int>(header.kind)) +
                        " is not one that a client sends");
  }
}

void ZmqDoor::on_generate(const Input& input, client::Generate generate) {
  if (auto fault = find_id_fault(generate.id)) {
    return send_error(input.peer, {}, invalid(fault->message), input.effects);
  }
  Client* sender = find_or_add(input.peer, input.now);
  if (sender == nullptr) {
    const Failure full{.code = FailureCode::kOverload,
                       .message = "too many clients have open requests; try again later",
                       .retry_after_ms = 1'000};
    return send_error(input.peer, generate.id, full, input.effects);
  }
  const auto open = sender->open.find(generate.id);
  if (open != sender->open.end()) return resume(input, generate, open->second);
  if (ended_.find({input.peer, generate.id}) != nullptr) return repeat(input, generate);
  if (const auto failure = refuse_new(input, *sender, generate)) {
    const bool counted = failure->code == FailureCode::kInvalid;
    if (counted) input.effects.emplace_back(CountRefusal{"invalid"});
    return send_error(input.peer, generate.id, *failure, input.effects);
  }
  start(input, *sender, std::move(generate));
}

std::optional<Failure> ZmqDoor::refuse_new(const Input& input,
                                           const Client& sender,
                                           const client::Generate& generate) const {
  if (sender.finished.contains(std::hash<std::string>{}(generate.id))) {
    return invalid("a request with this id has ended already; use a new id for a new request");
  }
  if (generate.resume_from != 0) {
    return invalid(
        "a request with this id is not open here, so there is nothing to resume; "
        "send it under a new id with resume_from 0");
  }
  if (auto fault = find_fault(generate)) return invalid(fault->message);
  if (input.admission.closed) return input.admission.closed;
  if (sender.open.size() >= options_.credit) {
    return Failure{.code = FailureCode::kOverload,
                   .message = "this client has " + std::to_string(options_.credit) +
                              " requests open, which is its credit; wait for one to end",
                   .retry_after_ms = 1'000};
  }
  return std::nullopt;
}

void ZmqDoor::start(const Input& input, Client& sender, client::Generate generate) {
  const std::uint64_t request_id = input.admission.next_id();
  const bool stream = generate.stream;
  owners_.emplace(request_id, Owner{input.peer, generate.id});
  sender.open.emplace(generate.id,
                      Request{.request_id = request_id,
                              .stream = generate.stream,
                              .opened_ms = input.now.mono_ms,
                              .emitted = {}});
  messages::GenerateRequest request = to_request(std::move(generate));
  request.request_id = request_id;
  request.origin = {.door = messages::Door::kZmq,
                    .peer = input.peer,
                    .id = owners_.at(request_id).id,
                    .stream = stream};
  if (request.sampling.seed == 0) request.sampling.seed = input.admission.draw_seed();
  input.effects.emplace_back(std::move(request));
}

// A cancel that crosses the end on its way finds nothing, which is no fault.
void ZmqDoor::on_cancel(const Input& input, const std::string& id) {
  const auto sender = clients_.find(input.peer);
  if (sender == clients_.end()) return;
  const auto open = sender->second.open.find(id);
  if (open == sender->second.open.end()) return;
  input.effects.emplace_back(messages::CancelRequest{.request_id = open->second.request_id});
  send(input.peer,
       final_of(id, FinishReason::kCancelled, 0, open->second.emitted.tokens(), 0),
       input.effects);
  close({input.peer, id}, {.finish = "cancelled"}, input.now, input.effects);
}

bool ZmqDoor::on_chunk(const messages::ReplyChunk& chunk, Now now, Effects& effects) {
  const auto found = owners_.find(chunk.request_id);
  if (found == owners_.end()) return false;
  const Owner owner = found->second;
  Request& request = clients_.at(owner.peer).open.at(owner.id);
  if (chunk.kind == ChunkKind::kError && chunk.failure.code != FailureCode::kCancelled) {
    end_with(owner, chunk.failure, chunk.prompt_tokens, now, effects);
    return true;
  }
  // A restored request counts as accepted and lacks its echo.
  const bool begun = request.accepted && request.emitted.size() >= chunk.text.size();
  if (is_repeated(chunk, begun, request.emitted.tokens())) return true;
  if (!chunk.tokens.empty() && chunk.token_begin != request.emitted.tokens()) {
    effects.emplace_back(messages::CancelRequest{.request_id = chunk.request_id});
    end_with(owner, lost_piece(chunk.request_id), chunk.prompt_tokens, now, effects);
    return true;
  }
  take_piece(owner, request, chunk, now, effects);
  if (chunk.kind == ChunkKind::kFinal || chunk.kind == ChunkKind::kError) {
    take_final(owner, request, chunk, now, effects);
  }
  return true;
}

void ZmqDoor::take_piece(const Owner& owner,
                         Request& request,
                         const messages::ReplyChunk& chunk,
                         Now now,
                         Effects& effects) {
  if (!request.accepted && chunk.kind != ChunkKind::kError) {
    send(owner.peer, client::Accepted{.id = owner.id}, effects);
    request.accepted = true;
  }
  const std::uint64_t before = request.emitted.size();
  request.emitted.append(chunk);
  if (request.first_token_ms < 0 && request.emitted.tokens() > 0) {
    request.first_token_ms = now.mono_ms;
  }
  if (!request.stream || request.detached || (chunk.text.empty() && chunk.tokens.empty())) return;
  const std::uint32_t end = request.emitted.tokens();
  send(owner.peer,
       client::Chunk{.id = owner.id,
                     .choice = 0,
                     .text_offset = before,
                     .text = chunk.text,
                     .token_begin = end - static_cast<std::uint32_t>(chunk.tokens.size()),
                     .token_end = end,
                     .tokens = chunk.tokens},
       effects);
}

void ZmqDoor::end_with(const Owner& owner,
                       const Failure& failure,
                       std::uint32_t prompt_tokens,
                       Now now,
                       Effects& effects) {
  Request& request = clients_.at(owner.peer).open.at(owner.id);
  std::string frame = error_frame(owner.id, failure);
  if (!request.detached) effects.emplace_back(ZmqSend{owner.peer, frame});
  // What was never accepted may be sent again under its id.
  if (request.accepted) {
    ended_.keep({owner.peer, owner.id},
                {request.emitted, request.stream, std::move(frame), now.mono_ms});
  }
  close(owner, {.prompt_tokens = prompt_tokens, .finish = zmq_code(failure.code)}, now, effects);
}

void ZmqDoor::take_final(const Owner& owner,
                         Request& request,
                         const messages::ReplyChunk& chunk,
                         Now now,
                         Effects& effects) {
  if (!request.stream && !request.detached) {
    client::Chunk whole = request.emitted.from(0);
    whole.id = owner.id;
    send(owner.peer, whole, effects);
  }
  const FinishReason finish =
      chunk.kind == ChunkKind::kError ? FinishReason::kCancelled : chunk.finish;
  client::Final last =
      final_of(owner.id, finish, chunk.prompt_tokens, chunk.produced_tokens, chunk.cached_tokens);
  last.resumed_inexact = chunk.resumed_inexact;
  std::string frame = messages::encode(last, options_.front_epoch);
  if (!request.detached) effects.emplace_back(ZmqSend{owner.peer, frame});
  ended_.keep({owner.peer, owner.id},
              {request.emitted, request.stream, std::move(frame), now.mono_ms});
  close(owner, {.prompt_tokens = chunk.prompt_tokens, .finish = last.reason}, now, effects);
}

void ZmqDoor::on_unreachable(const std::string& peer, Now now) {
  const auto found = clients_.find(peer);
  if (found == clients_.end() || found->second.unreachable_ms) return;
  found->second.unreachable_ms = now.mono_ms;
}

void ZmqDoor::fail_all(const Failure& failure, Now now, Effects& effects) {
  while (!owners_.empty()) {
    const auto [request_id, owner] = *owners_.begin();
    effects.emplace_back(messages::CancelRequest{.request_id = request_id});
    send_error(owner.peer, owner.id, failure, effects);
    close(owner, {.finish = zmq_code(failure.code)}, now, effects);
  }
}

// nullptr when the table is full of clients with open requests.
ZmqDoor::Client* ZmqDoor::find_or_add(const std::string& peer, Now now) {
  if (const auto known = clients_.find(peer); known != clients_.end()) return &known->second;
  if (clients_.size() >= kZmqClientsMax) {
    const auto older = [](const auto& a, const auto& b) {
      const bool a_idle = a.second.open.empty();
      const bool b_idle = b.second.open.empty();
      return a_idle != b_idle ? a_idle : a.second.heard_ms < b.second.heard_ms;
    };
    const auto oldest = std::ranges::min_element(clients_, older);
    if (!oldest->second.open.empty()) return nullptr;
    clients_.erase(oldest);
  }
  Client& added = clients_[peer];
  added.heard_ms = now.mono_ms;
  return &added;
}

// Ends the request: it is logged, and its id remembered.
void ZmqDoor::close(const Owner& owner, observe::AccessRecord record, Now now, Effects& effects) {
  Client& sender = clients_.at(owner.peer);
  const auto open = sender.open.find(owner.id);
  const Request& request = open->second;
  const auto seconds = [](std::int64_t ms) { return static_cast<double>(ms) * 1e-3; };
  record.proto = "zmq";
  record.method = "generate";
  record.request_id = owner.id;
  record.produced_tokens = request.emitted.tokens();
  record.duration_s = seconds(now.mono_ms - request.opened_ms);
  if (request.first_token_ms >= 0) {
    record.first_token_s = seconds(request.first_token_ms - request.opened_ms);
  }
  effects.emplace_back(LogAccess{std::move(record)});
  owners_.erase(open->second.request_id);
  sender.open.erase(open);
  // Hashes: a collision, one in 2^54 for a full memory, refuses an id that could have been taken.
  const std::size_t hash = std::hash<std::string>{}(owner.id);
  if (!sender.finished.insert(hash).second) return;
  sender.finished_order.push_back(hash);
  if (sender.finished_order.size() <= kFinishedIdsMax) return;
  sender.finished.erase(sender.finished_order.front());
  sender.finished_order.pop_front();
}

}  // namespace troupe::actors::gateway
