// The ZeroMQ door: frames of the public protocol ↔ open requests of its clients. Pure: a client is
// a routing id. The protocol is written down in docs/protocol.md.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "actors/gateway/effects.hpp"
#include "actors/gateway/emitted_text.hpp"
#include "actors/gateway/ended_answers.hpp"
#include "actors/gateway/restored_answer.hpp"
#include "config/limits.hpp"
#include "messages/failure.hpp"
#include "messages/reply_chunk.hpp"
#include "messages/wire_kinds.hpp"

namespace troupe::actors::gateway {

// Clients known at once; the one unheard for longest makes room if it has nothing open.
inline constexpr std::size_t kZmqClientsMax = 1024;
// Finished ids remembered for each client, so that a late repetition is refused and not run again.
inline constexpr std::size_t kFinishedIdsMax = 1024;
// A frame from a client: a body as large as HTTP's.
inline constexpr std::size_t kClientFrameBytesMax = config::kBodyBytesMax;
// A client that cannot be reached has this long to come back to its open requests: ZeroMQ
// reconnects within 200 ms, and what nobody waits for should not hold a sequence.
inline constexpr std::int64_t kClientGraceMs = 2'000;
// After the front was restarted everybody has to come back at once, through back-off of up to a
// second.
inline constexpr std::int64_t kRestoredGraceMs = 15'000;

struct ZmqDoorOptions {
  std::uint64_t front_epoch = 0;
  std::string version;
  std::string model;
  std::uint32_t context_max = 0;
  std::uint32_t credit = config::kClientCreditDefault;
  std::int64_t resume_grace_ms = config::kResumeGraceDefault.count();  // ended answers are kept
  CallProbe probe = {};
};

// What the door needs of the core for a new request.
struct Admission {
  std::optional<messages::Failure> closed;  // why nothing new is taken now
  std::function<std::uint64_t()> next_id;
  std::function<std::uint64_t()> draw_seed;
};

class ZmqDoor {
 public:
  explicit ZmqDoor(ZmqDoorOptions options) : options_(std::move(options)) {}

  // Any bytes. What cannot be understood is answered with `error` and disturbs nobody else.
  void on_frame(const std::string& peer,
                std::string_view frame,
                const Admission& admission,
                Now now,
                Effects& effects);

  // An answer of the front before this one. Nothing of it is sent until its client asks for it.
  void restore(const RestoredAnswer& restored, Now now, Effects& effects);

  // False when no open request waits for this answer.
  bool on_chunk(const messages::ReplyChunk& chunk, Now now, Effects& effects);

  // Ends the request of this answer with `failure`. False when none waits for it.
  bool abandon(std::uint64_t request_id,
               const messages::Failure& failure,
               Now now,
               Effects& effects);
  // Answers a frame that could not be handled; a request that it began or went on with ends.
  void abandon_frame(const std::string& peer,
                     std::string_view frame,
                     const messages::Failure& failure,
                     Now now,
                     Effects& effects);

  // A frame to `peer` could not be sent.
  void on_unreachable(const std::string& peer, Now now);

  // Ends all requests of this client with `failure`. False when there is no such client.
  bool abandon_peer(const std::string& peer,
                    const messages::Failure& failure,
                    Now now,
                    Effects& effects);

  // Cancels what clients left behind that stayed unreachable. An exception over one client ends its
  // requests with `failure` and says so in `broken`.
  void on_tick(const messages::Failure& failure, Now now, Effects& effects, std::string& broken);

  void fail_all(const messages::Failure& failure, Now now, Effects& effects);

  std::size_t open_requests() const { return owners_.size(); }

  std::size_t clients() const { return clients_.size(); }

 private:
  struct Request {
    std::uint64_t request_id = 0;
    bool stream = true;
    bool accepted = false;
    bool detached = false;  // restored, and its client has not come back
    std::int64_t opened_ms = 0;
    std::int64_t first_token_ms = -1;
    EmittedText emitted;
  };

  struct Client {
    std::unordered_map<std::string, Request> open;  // by the client's own id
    std::deque<std::size_t> finished_order;         // hashes of ids, oldest first
    std::unordered_set<std::size_t> finished;
    std::int64_t heard_ms = 0;
    std::optional<std::int64_t> unreachable_ms;  // since when
    std::int64_t grace_ms = kClientGraceMs;
  };

  struct Owner {
    std::string peer;
    std::string id;
  };

  // A frame while it is handled.
  struct Input {
    const std::string& peer;
    const Admission& admission;
    Now now;
    Effects& effects;
  };

  void on_generate(const Input& input, messages::client::Generate generate);
  void resume(const Input& input, const messages::client::Generate& generate, Request& request);
  void start(const Input& input, Client& client, messages::client::Generate generate);
  std::optional<messages::Failure> refuse_new(const Input& input,
                                              const Client& client,
                                              const messages::client::Generate& generate) const;
  void repeat(const Input& input, const messages::client::Generate& generate);
  void on_cancel(const Input& input, const std::string& id);
  bool tick(const std::string& peer, const Client& sender, Now now, Effects& effects);
  void abandon_all(const Client& sender,
                   const messages::Failure& failure,
                   Now now,
                   Effects& effects);
  Client* find_or_add(const std::string& peer, Now now);
  void take_piece(const Owner& owner,
                  Request& request,
                  const messages::ReplyChunk& chunk,
                  Now now,
                  Effects& effects);
  void take_final(const Owner& owner,
                  Request& request,
                  const messages::ReplyChunk& chunk,
                  Now now,
                  Effects& effects);
  void end_with(const Owner& owner,
                const messages::Failure& failure,
                std::uint32_t prompt_tokens,
                Now now,
                Effects& effects);
  void close(const Owner& owner, observe::AccessRecord record, Now now, Effects& effects);
  std::string error_frame(const std::string& id, const messages::Failure& failure) const;
  void send_error(const std::string& peer,
                  const std::string& id,
                  const messages::Failure& failure,
                  Effects& effects) const;

  template <class Message>
  void send(const std::string& peer, const Message& message, Effects& effects) const;

  ZmqDoorOptions options_;
  std::unordered_map<std::string, Client> clients_;  // by routing id
  std::unordered_map<std::uint64_t, Owner> owners_;  // by request id
  EndedAnswers ended_;
};

template <class Message>
void ZmqDoor::send(const std::string& peer, const Message& message, Effects& effects) const {
  effects.emplace_back(ZmqSend{peer, messages::encode(message, options_.front_epoch)});
}

}  // namespace troupe::actors::gateway
