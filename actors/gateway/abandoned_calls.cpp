// Calls that the gateway ends itself: one over which an exception was thrown, while the others go
// on, and all of them when it goes. Nothing of a call's state is trusted more than is needed.
#include <algorithm>
#include <iterator>

#include "actors/gateway/failure_reply.hpp"
#include "actors/gateway/gateway_core.hpp"

namespace troupe::actors::gateway {
namespace {

messages::Failure broken() {
  return {.code = messages::FailureCode::kInternal,
          .message = "an error in the server broke this call off"};
}

}  // namespace

bool HttpCalls::abandon(std::uint64_t request_id,
                        const ApiError& error,
                        Now now,
                        Effects& effects) {
  const auto found = owners_.find(request_id);
  if (found == owners_.end()) return false;
  fail_surely(found->second, error, now, effects);
  return true;
}

bool HttpCalls::abandon_connection(ConnectionId connection,
                                   const ApiError& error,
                                   Now now,
                                   Effects& effects) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return false;
  fail_surely(found->second, error, now, effects);
  return true;
}

void HttpCalls::fail(CallId id, Call& call, const ApiError& error, Now now, Effects& effects) {
  pass(probe_, "abandon", id);
  if (!call.ended) cancel_open(call, effects);
  if (call.connection && call.head_sent) {
    std::string last = std::move(call.held) + error_event(error) + std::string(kDoneEvent);
    effects.emplace_back(HttpStreamWrite{*call.connection, std::move(last)});
    effects.emplace_back(HttpStreamEnd{*call.connection, note_of(call, error.code)});
  } else if (call.connection) {
    effects.emplace_back(
        HttpRespond{*call.connection, error_response(error), note_of(call, error.code)});
  }
  // What was refused may be tried again under its key; what was accepted and failed may not.
  const bool promised = std::ranges::all_of(call.answers, &Answer::accepted);
  if (!promised) return forget(id);
  call.failure = error;
  end(id, call, now);
}

// Where not even the error can be said, the call just ends.
void HttpCalls::fail_surely(CallId id, const ApiError& error, Now now, Effects& effects) {
  const std::size_t before = effects.size();
  Call& call = calls_.at(id);
  const std::optional<ConnectionId> connection = call.connection;
  const bool begun = call.head_sent;
  try {
    return fail(id, call, error, now, effects);
  } catch (const std::exception&) {
    effects.resize(before, HttpStreamEnd{});
  }
  cancel_open(call, effects);
  forget(id);
  if (!connection) return;
  begun ? effects.emplace_back(HttpStreamEnd{*connection})
        : effects.emplace_back(HttpRespond{*connection, {.status = 500}});
}

void HttpCalls::on_tick(const ApiError& error, Now now, Effects& effects, std::string& broken) {
  std::vector<CallId> ids;
  for (const auto& [id, call] : calls_) ids.push_back(id);
  for (const CallId id : ids) {
    if (!calls_.contains(id)) continue;  // the end of another one took its place
    Effects of_call;
    try {
      tick(id, now, of_call);
    } catch (const std::exception& thrown) {
      broken = thrown.what();
      of_call.clear();
      // One that has ended already is only kept: it would throw again at the next tick.
      calls_.at(id).ended ? forget(id) : fail_surely(id, error, now, of_call);
    }
    std::ranges::move(of_call, std::back_inserter(effects));
  }
}

void HttpCalls::tick(CallId id, Now now, Effects& effects) {
  pass(probe_, "tick", id);
  Call& call = calls_.at(id);
  constexpr std::int64_t kSilenceMs = config::kSsePingInterval.count();
  if (call.head_sent && now.mono_ms - call.written_ms >= kSilenceMs) {
    effects.emplace_back(HttpStreamWrite{*call.connection, std::string(kPingEvent)});
    call.written_ms = now.mono_ms;
  }
  if (call.connection || now.mono_ms - call.left_ms <= resume_grace_ms_) return;
  if (!call.ended) cancel_open(call, effects);
  forget(id);
}

void HttpCalls::fail_all(const ApiError& error, Now now, Effects& effects) {
  while (!calls_.empty()) {
    const auto first = calls_.begin();
    forget_key(first->first, first->second);
    first->second.key = {};
    fail_surely(first->first, error, now, effects);
  }
}

void ZmqDoor::on_tick(const messages::Failure& failure,
                      Now now,
                      Effects& effects,
                      std::string& broken) {
  ended_.forget_before(now.mono_ms - options_.resume_grace_ms);
  std::erase_if(clients_, [&](auto& entry) {
    Effects of_client;
    bool gone = false;
    try {
      gone = tick(entry.first, entry.second, now, of_client);
    } catch (const std::exception& thrown) {
      broken = thrown.what();
      of_client.clear();
      abandon_all(entry.second, failure, now, of_client);
    }
    std::ranges::move(of_client, std::back_inserter(effects));
    return gone;
  });
}

// True when nobody came back to what this client left behind: it is cancelled.
bool ZmqDoor::tick(const std::string& peer, const Client& sender, Now now, Effects& effects) {
  for (const auto& [id, request] : sender.open) pass(options_.probe, "tick", request.request_id);
  // A client that waits for a whole answer gets no frame for long: this one shows whether it is
  // there.
  if (!sender.open.empty() && !sender.unreachable_ms) {
    send(peer, messages::client::Ping{}, effects);
  }
  const auto since = sender.unreachable_ms;
  if (!since || now.mono_ms - *since < sender.grace_ms) return false;
  for (const auto& [id, request] : sender.open) {
    effects.emplace_back(messages::CancelRequest{.request_id = request.request_id});
  }
  for (const auto& [id, request] : sender.open) owners_.erase(request.request_id);
  return true;
}

void ZmqDoor::abandon_all(const Client& sender,
                          const messages::Failure& failure,
                          Now now,
                          Effects& effects) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, request] : sender.open) ids.push_back(request.request_id);
  for (const std::uint64_t id : ids) (void)abandon(id, failure, now, effects);
}

bool ZmqDoor::abandon_peer(const std::string& peer,
                           const messages::Failure& failure,
                           Now now,
                           Effects& effects) {
  const auto sender = clients_.find(peer);
  if (sender == clients_.end()) return false;
  abandon_all(sender->second, failure, now, effects);
  return true;
}

// One that cannot be ended in order ends without a record of it.
bool ZmqDoor::abandon(std::uint64_t request_id,
                      const messages::Failure& failure,
                      Now now,
                      Effects& effects) {
  const auto found = owners_.find(request_id);
  if (found == owners_.end()) return false;
  const Owner owner = found->second;
  effects.emplace_back(messages::CancelRequest{.request_id = request_id});
  const std::size_t before = effects.size();
  try {
    pass(options_.probe, "abandon", request_id);
    end_with(owner, failure, 0, now, effects);
  } catch (const std::exception&) {
    effects.resize(before, HttpStreamEnd{});
    send_error(owner.peer, owner.id, failure, effects);
    owners_.erase(request_id);
    clients_.at(owner.peer).open.erase(owner.id);
  }
  return true;
}

void ZmqDoor::abandon_frame(const std::string& peer,
                            std::string_view frame,
                            const messages::Failure& failure,
                            Now now,
                            Effects& effects) {
  messages::client::Generate generate;
  const bool readable = messages::decode(frame, generate).empty();
  const auto sender = clients_.find(peer);
  if (readable && sender != clients_.end()) {
    const auto open = sender->second.open.find(generate.id);
    if (open != sender->second.open.end()) {
      abandon(open->second.request_id, failure, now, effects);
      return;
    }
  }
  send_error(peer, readable ? generate.id : std::string{}, failure, effects);
}

Effects GatewayCore::abandon_chunk(std::uint64_t request_id, Now now) {
  Effects effects;
  if (!http_.abandon(request_id, to_api_error(broken()), now, effects)) {
    (void)zmq_.abandon(request_id, broken(), now, effects);
  }
  return effects;
}

Effects GatewayCore::abandon_peer(const std::string& peer, Now now) {
  Effects effects;
  (void)zmq_.abandon_peer(peer, broken(), now, effects);
  return effects;
}

Effects GatewayCore::on_tick(Now now, std::string* broken_by) {
  Effects effects;
  std::string why;
  http_.on_tick(to_api_error(broken()), now, effects, why);
  zmq_.on_tick(broken(), now, effects, why);
  if (broken_by != nullptr) *broken_by = why;
  return effects;
}

Effects GatewayCore::abandon_http(ConnectionId connection, Now now) {
  Effects effects;
  const ApiError error = to_api_error(broken());
  if (!http_.abandon_connection(connection, error, now, effects)) {
    effects.emplace_back(HttpRespond{connection, error_response(error), {.finish = error.code}});
  }
  return effects;
}

Effects GatewayCore::abandon_frame(const std::string& peer, std::string_view frame, Now now) {
  Effects effects;
  zmq_.abandon_frame(peer, frame, broken(), now, effects);
  return effects;
}

}  // namespace troupe::actors::gateway
