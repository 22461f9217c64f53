#include "actors/gateway/gateway_actor.hpp"

#include <algorithm>
#include <chrono>
#include <concepts>
#include <iterator>
#include <random>
#include <utility>

#include "actors/gateway/gateway_core.hpp"
#include "actors/gateway/http_server.hpp"

namespace troupe::actors::gateway {
namespace {

// How often silent streams and unreachable clients are looked at.
constexpr std::chrono::seconds kTickInterval{1};

Now current_time() {
  using std::chrono::duration_cast;
  const auto mono = std::chrono::steady_clock::now().time_since_epoch();
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {.mono_ms = duration_cast<std::chrono::milliseconds>(mono).count(),
          .unix_s = duration_cast<std::chrono::seconds>(wall).count()};
}

std::function<std::uint64_t()> seed_source() {
  std::random_device device;
  std::seed_seq entropy{device(), device(), device(), device()};
  return [engine = std::mt19937_64(entropy)]() mutable { return engine(); };
}

GatewayCoreOptions core_options(const GatewayOptions& options) {
  return {.front_epoch = options.front_epoch,
          .model = options.model,
          .context_max = options.context_max,
          .started_unix = options.started_unix,
          .version = TROUPE_VERSION,
          .client_credit = options.config.client_credit,
          .queued_max = options.queued_max,
          .answers_max = 4 * options.queued_max,
          .resume_grace_ms = options.config.resume_grace.count(),
          .draw_seed = seed_source()};
}

// The core and the hands that do what it wants.
class Shell {
 public:
  Shell(GatewayOptions options, std::unique_ptr<HttpServer> server)
      : core_(core_options(options)), options_(std::move(options)), server_(std::move(server)) {}

  GatewayCore& core() { return core_; }

  // Everything but what cannot be done even at the second try: the calls of that end. Then throws
  // Contained, with the latest reason.
  void perform(Effects effects) {
    std::string broken;
    for (std::size_t i = 0; i < effects.size(); ++i) {
      Effects ends = perform_twice(effects[i], broken);
      std::ranges::move(ends, std::back_inserter(effects));
    }
    if (!for_server_.empty()) server_->perform(std::exchange(for_server_, {}));
    answer_drained();
    if (!broken.empty()) throw supervision::Contained(broken);
  }

  void wait_for_drained(caf::response_promise promise) {
    drained_.push_back(std::move(promise));
    answer_drained();
  }

 private:
  // Returns the end of its call when it threw twice.
  Effects perform_twice(Effect& effect, std::string& broken) {
    const auto visitor = [this](auto& one) {
      options_.places.at("send");
      perform_one(one);
    };
    for (int tries = 0; tries < 2; ++tries) {
      try {
        std::visit(visitor, effect);
        return {};
      } catch (const std::exception& error) {
        broken = error.what();
      }
    }
    return std::visit([this](const auto& one) { return end_of(one); }, effect);
  }

  template <class ForServer>

  requires std::constructible_from<HttpEffect, ForServer>

      Effects end_of(const ForServer& effect) {
    return core_.knows(effect.connection) ? core_.abandon_http(effect.connection, current_time())
                                          : Effects{};
  }

  Effects end_of(const ZmqSend& effect) { return core_.abandon_peer(effect.peer, current_time()); }

  Effects end_of(const messages::GenerateRequest& request) {
    return core_.abandon_chunk(request.request_id, current_time());
  }

  Effects end_of(const HttpMetrics& effect) {
    return {HttpRespond{effect.connection, {.status = 500}}};
  }

  // A line of a log, a number, a cancel: nobody waits for them.
  template <class Other>
  Effects end_of(const Other&) {
    return {};
  }

  template <class ForServer>
  requires std::constructible_from<HttpEffect, ForServer>

  void perform_one(ForServer& effect) { for_server_.emplace_back(std::move(effect)); }

  void perform_one(const HttpMetrics& effect) {
    for_server_.emplace_back(
        HttpRespond{effect.connection,
                    {.content_type = "text/plain; version=0.0.4; charset=utf-8",
                     .body = options_.metrics->expose()}});
  }

  void perform_one(ZmqSend& effect) {
    options_.clients.send_frame(std::move(effect.peer), std::move(effect.frame));
  }

  void perform_one(const CountRefusal& effect) { options_.metrics->request_refused(effect.reason); }

  void perform_one(const LogAccess& effect) {
    if (options_.on_access) options_.on_access(effect.record);
  }

  void perform_one(const messages::GenerateRequest& request) {
    options_.to_preprocess.send(request);
  }

  void perform_one(const messages::CancelRequest& cancel) { options_.to_dispatch.send(cancel); }

  void answer_drained() {
    if (drained_.empty() || core_.open_calls() != 0) return;
    for (caf::response_promise& promise : drained_) promise.deliver(true);
    drained_.clear();
  }

  GatewayCore core_;
  GatewayOptions options_;
  std::unique_ptr<HttpServer> server_;
  std::vector<HttpEffect> for_server_;
  std::vector<caf::response_promise> drained_;
};

// What the server's thread sends to the actor: types that CAF knows anyway.
HttpHandlers handlers_for(const caf::actor& gateway) {
  return {.on_request =
              [gateway](HttpRequest request) {
                caf::anon_send(gateway,
                               caf::put_atom_v,
                               std::uint64_t{request.connection},
                               std::move(request.method),
                               std::move(request.target),
                               std::move(request.body),
                               std::move(request.idempotency_key),
                               std::move(request.last_event_id),
                               std::move(request.authorization));
              },
          .on_gone =
              [gateway](ConnectionId connection) {
                caf::anon_send(gateway, caf::leave_atom_v, std::uint64_t{connection});
              }};
}

// An exception over one call ends that call: its connection and what it was given cannot be made
// again from a ledger, and the others are not to blame. The stage counts it as a failure.
template <class Handle, class Abandon>
void contain(Shell& shell, const Handle& handle, const Abandon& abandon) {
  try {
    shell.perform(handle());
  } catch (const supervision::Contained&) {
    throw;
  } catch (const std::exception& error) {
    // Whatever becomes of the end, too: the input has changed things and is not handled again.
    try {
      shell.perform(abandon());
    } catch (const std::exception&) {
      throw supervision::Contained(error.what());
    }
    throw supervision::Contained(error.what());
  }
}

// The core itself keeps the calls apart.
void tick(Shell& shell) {
  std::string broken;
  contain(
      shell,
      [&] { return shell.core().on_tick(current_time(), &broken); },
      [] { return Effects{}; });
  if (!broken.empty()) throw supervision::Contained(broken);
}

void take_http(Shell& shell, const HttpRequest& request) {
  contain(
      shell,
      [&] { return shell.core().on_http(request, current_time()); },
      [&] { return shell.core().abandon_http(request.connection, current_time()); });
}

void take_frame(Shell& shell, const std::string& peer, const std::string& frame) {
  contain(
      shell,
      [&] { return shell.core().on_frame(peer, frame, current_time()); },
      [&] { return shell.core().abandon_frame(peer, frame, current_time()); });
}

Effects abandon_all(GatewayCore& core, const messages::ReplyChunks& replies) {
  Effects effects;
  for (const messages::ReplyChunk& chunk : replies.chunks) {
    std::ranges::move(core.abandon_chunk(chunk.request_id, current_time()),
                      std::back_inserter(effects));
  }
  return effects;
}

// The core itself keeps the calls of a frame apart; what fails after it concerns them all.
void take_chunks(Shell& shell, const messages::ReplyChunks& replies) {
  std::string broken;
  contain(
      shell,
      [&] { return shell.core().on_chunks(replies, current_time(), &broken); },
      [&] { return abandon_all(shell.core(), replies); });
  if (!broken.empty()) throw supervision::Contained(broken);
}

void take_gone(Shell& shell, ConnectionId connection) {
  contain(
      shell,
      [&] { return shell.core().on_gone(connection, current_time()); },
      [&] { return shell.core().abandon_http(connection, current_time()); });
}

caf::behavior handlers(caf::event_based_actor* self, const std::shared_ptr<Shell>& shell) {
  return {
      [shell](const messages::ReplyChunks& replies) { take_chunks(*shell, replies); },
      [shell](const std::string& peer, const std::string& frame) {
        take_frame(*shell, peer, frame);
      },
      [shell](caf::put_atom,
              std::uint64_t connection,
              const std::string& method,
              const std::string& target,
              const std::string& body,
              const std::string& idempotency_key,
              const std::string& last_event_id,
              const std::string& authorization) {
        take_http(
            *shell,
            {connection, method, target, body, idempotency_key, last_event_id, authorization});
      },
      [shell](caf::leave_atom, std::uint64_t connection) { take_gone(*shell, connection); },
      [shell](caf::leave_atom, const std::string& peer) {
        shell->core().on_unreachable(peer, current_time());
      },
      [shell](const messages::NodeReadiness& readiness) { shell->core().on_readiness(readiness); },
      [self, shell](const messages::Drain&) -> caf::result<bool> {
        shell->core().on_drain();
        auto promise = self->make_response_promise();
        shell->wait_for_drained(promise);
        return promise;
      },
      [shell](caf::get_atom) { return std::uint64_t{shell->core().open_calls()}; },
      [shell](caf::tick_atom) { tick(*shell); },
  };
}

void end_all(Shell& shell) {
  try {
    shell.perform(shell.core().fail_all(current_time()));
  } catch (const std::exception&) {  // the process is about to end, and the connections with it
  }
}

// For faults before a handler that come twice: the input's call ends.
caf::behavior give_up(const std::shared_ptr<Shell>& shell) {
  return {
      [shell](const messages::ReplyChunks& replies) {
        shell->perform(abandon_all(shell->core(), replies));
      },
      [shell](const std::string& peer, const std::string& frame) {
        shell->perform(shell->core().abandon_frame(peer, frame, current_time()));
      },
      [shell](caf::put_atom,
              std::uint64_t connection,
              const std::string&,
              const std::string&,
              const std::string&,
              const std::string&,
              const std::string&,
              const std::string&) {
        shell->perform(shell->core().abandon_http(connection, current_time()));
      },
      [shell](caf::leave_atom, std::uint64_t connection) {
        shell->perform(shell->core().abandon_http(connection, current_time()));
      },
  };
}

}  // namespace

GatewayStage gateway_stage(GatewayOptions options) {
  auto server = std::make_unique<HttpServer>(
      HttpServerOptions{.listen = options.config.http, .on_access = options.on_access});
  HttpServer* const http = server.get();
  const std::uint16_t port = http->port();
  const supervision::StagePlaces places = options.places;
  auto restored = std::move(options.restored);
  auto shell = std::make_shared<Shell>(std::move(options), std::move(server));
  auto make = [shell, places, restored = std::move(restored)](caf::event_based_actor* self,
                                                              std::uint32_t) mutable {
    // Once, whatever is thrown after it: the core stays.
    if (!restored.empty()) {
      shell->perform(shell->core().restore(std::exchange(restored, {}), current_time()));
    }
    places.at("core");
    return supervision::Incarnation{handlers(self, shell), give_up(shell)};
  };
  return {.spec = {.name = "gateway",
                   .make = std::move(make),
                   .tick = kTickInterval,
                   .at_exit = [shell] { end_all(*shell); },
                   .before = {}},
          .open = [http](const caf::actor& actor) { http->start(handlers_for(actor)); },
          .http_port = port};
}

void client_unreachable(const caf::actor& gateway, std::string peer) {
  caf::anon_send(gateway, caf::leave_atom_v, std::move(peer));
}

}  // namespace troupe::actors::gateway
