// Calls that the gateway ends itself: one over which an exception was thrown, while the others go
// on, and all of them when it goes. Nothing of a call's state is trusted more than is needed.
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
  const CallId id = found->second;
  fail(id, calls_.at(id), error, now, effects);
  return true;
}

bool HttpCalls::abandon_connection(ConnectionId connection,
                                   const ApiError& error,
                                   Now now,
                                   Effects& effects) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return false;
  const CallId id = found->second;
  fail(id, calls_.at(id), error, now, effects);
  return true;
}

void HttpCalls::fail_all(const ApiError& error, Now now, Effects& effects) {
  while (!calls_.empty()) {
    const auto first = calls_.begin();
    forget_key(first->first, first->second);
    first->second.key = {};
    fail(first->first, first->second, error, now, effects);
  }
}

bool ZmqDoor::abandon(std::uint64_t request_id,
                      const messages::Failure& failure,
                      Now now,
                      Effects& effects) {
  const auto found = owners_.find(request_id);
  if (found == owners_.end()) return false;
  const Owner owner = found->second;
  effects.emplace_back(messages::CancelRequest{.request_id = request_id});
  end_with(owner, failure, 0, now, effects);
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
