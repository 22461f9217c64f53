// Everything the gateway knows: its calls, its clients, and whether the node takes work. Pure:
// inputs in, effects out; time and randomness are arguments.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "actors/gateway/effects.hpp"
#include "actors/gateway/http_calls.hpp"
#include "actors/gateway/http_routes.hpp"
#include "actors/gateway/zmq_door.hpp"
#include "messages/control.hpp"
#include "messages/reply_chunk.hpp"

namespace troupe::actors::gateway {

struct GatewayCoreOptions {
  std::uint64_t front_epoch = 0;  // below 2^24
  std::string model;              // alias
  std::uint32_t context_max = 0;
  std::int64_t started_unix = 0;
  std::string version;
  std::uint32_t client_credit = config::kClientCreditDefault;
  std::uint32_t queued_max = config::kQueuedMaxDefault;  // dispatch's bound
  std::uint32_t answers_max =
      4 * config::kQueuedMaxDefault;  // open at once; dispatch's own bound is
                                      // lower, this one guards the way there
  std::int64_t resume_grace_ms = config::kResumeGraceDefault.count();
  std::function<std::uint64_t()> draw_seed;
  CallProbe probe = {};
};

class GatewayCore {
 public:
  explicit GatewayCore(GatewayCoreOptions options);

  Effects on_http(const HttpRequest& request, Now now);

  // The connection closed before its response was whole.
  Effects on_gone(ConnectionId connection, Now now);

  // Answers of the front before this one. To be called before any input. A call over which an
  // exception is thrown is cancelled.
  Effects restore(const std::vector<RestoredAnswer>& answers, Now now);

  Effects on_frame(const std::string& peer, std::string_view frame, Now now);

  void on_unreachable(const std::string& peer, Now now) { zmq_.on_unreachable(peer, now); }

  // An exception over one chunk ends its call alone and says so in `broken`.
  Effects on_chunks(const messages::ReplyChunks& replies, Now now, std::string* broken = nullptr);

  // After an exception over one of these inputs: its call, and no other, ends with an error.
  Effects abandon_chunk(std::uint64_t request_id, Now now);
  Effects abandon_peer(const std::string& peer, Now now);
  Effects abandon_http(ConnectionId connection, Now now);
  Effects abandon_frame(const std::string& peer, std::string_view frame, Now now);

  // To be called every second or so. An exception over one call ends that call and says so in
  // `broken`.
  Effects on_tick(Now now, std::string* broken = nullptr);

  void on_readiness(const messages::NodeReadiness& readiness);

  // From now on new calls are refused; open ones go on.
  void on_drain() { facts_.draining = true; }

  // Ends every open call with an error: the gateway is going.
  Effects fail_all(Now now);

  // An open call has this connection.
  bool knows(ConnectionId connection) const { return http_.knows(connection); }

  bool draining() const { return facts_.draining; }

  // HTTP calls and ZeroMQ requests that have not ended.
  std::size_t open_calls() const { return http_.open_calls() + zmq_.open_requests(); }

 private:
  Effects on_chunk(const messages::ReplyChunk& chunk, Now now);
  void on_call(const HttpRequest& request, Endpoint endpoint, Now now, Effects& effects);
  void start(ConnectionId connection, ParsedCall call, CallKey key, Now now, Effects& effects);
  bool resume(const HttpRequest& request, const CallKey& key, Now now, Effects& effects);
  void restore_alone(const std::vector<RestoredAnswer>& call, Now now, Effects& effects);
  void restore_call(const std::vector<RestoredAnswer>& answers, Now now, Effects& effects);
  messages::Origin origin_of(const ParsedCall& call, const CallKey& key, Now now) const;
  std::optional<ApiError> never_fits(const ParsedCall& call) const;
  messages::GenerateRequest expand(const ParsedCall& call,
                                   const Prompt& prompt,
                                   std::uint32_t choice) const;
  std::optional<messages::Failure> closed() const;

  std::uint64_t next_id() { return (options_.front_epoch << 40) | ++counter_; }

  GatewayCoreOptions options_;
  NodeFacts facts_;
  std::string why_not_ready_;  // for people
  std::uint64_t counter_ = 0;
  HttpCalls http_;
  ZmqDoor zmq_;
};

}  // namespace troupe::actors::gateway
