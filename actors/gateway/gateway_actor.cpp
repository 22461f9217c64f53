#include "actors/gateway/gateway_actor.hpp"

#include <chrono>
#include <concepts>
#include <random>
#include <utility>

#include "actors/gateway/gateway_core.hpp"
#include "actors/gateway/http_server.hpp"
#include "actors/link/stage_actor.hpp"

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

  void perform(Effects effects) {
    for (Effect& effect : effects) {
      std::visit([this](auto& one) { perform_one(one); }, effect);
    }
    if (!for_server_.empty()) server_->perform(std::exchange(for_server_, {}));
    answer_drained();
  }

  void wait_for_drained(caf::response_promise promise) {
    drained_.push_back(std::move(promise));
    answer_drained();
  }

 private:
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

struct GatewayState {
  static inline const char* name = "gateway";
  std::unique_ptr<Shell> shell;  // ends with the actor, and the server's thread with it
};

using GatewaySelf = caf::stateful_actor<GatewayState>;

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

caf::behavior gateway_actor(GatewaySelf* self,
                            const GatewayOptions& options,
                            const std::shared_ptr<std::unique_ptr<HttpServer>>& server) {
  link::name_exceptions(self);
  self->state.shell = std::make_unique<Shell>(options, std::move(*server));
  Shell* shell = self->state.shell.get();
  self->set_exit_handler([self, shell](const caf::exit_msg& exit) {
    shell->perform(shell->core().fail_all(current_time()));
    self->quit(exit.reason);
  });
  shell->perform(shell->core().restore(options.restored, current_time()));
  self->delayed_send(self, kTickInterval, caf::tick_atom_v);
  return {
      [shell](const messages::ReplyChunks& replies) {
        shell->perform(shell->core().on_chunks(replies, current_time()));
      },
      [shell](const std::string& peer, const std::string& frame) {
        shell->perform(shell->core().on_frame(peer, frame, current_time()));
      },
      [shell](caf::put_atom,
              std::uint64_t connection,
              std::string& method,
              std::string& target,
              std::string& body,
              std::string& idempotency_key,
              std::string& last_event_id,
              std::string& authorization) {
        const HttpRequest request{connection,
                                  std::move(method),
                                  std::move(target),
                                  std::move(body),
                                  std::move(idempotency_key),
                                  std::move(last_event_id),
                                  std::move(authorization)};
        shell->perform(shell->core().on_http(request, current_time()));
      },
      [shell](caf::leave_atom, std::uint64_t connection) {
        shell->perform(shell->core().on_gone(connection, current_time()));
      },
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
      [self, shell](caf::tick_atom) {
        shell->perform(shell->core().on_tick(current_time()));
        self->delayed_send(self, kTickInterval, caf::tick_atom_v);
      },
  };
}

}  // namespace

Gateway spawn_gateway(caf::actor_system& system, GatewayOptions options) {
  auto server = std::make_unique<HttpServer>(
      HttpServerOptions{.listen = options.config.http, .on_access = options.on_access});
  HttpServer* const started = server.get();  // the actor's from now on
  // CAF copies what it hands to an actor's function: the box is copied, the server is not.
  const auto box = std::make_shared<std::unique_ptr<HttpServer>>(std::move(server));
  const caf::actor actor = system.spawn(gateway_actor, std::move(options), box);
  started->start(handlers_for(actor));  // nobody else knows the actor yet, so it lives
  return {.actor = actor, .http_port = started->port()};
}

void client_unreachable(const caf::actor& gateway, std::string peer) {
  caf::anon_send(gateway, caf::leave_atom_v, std::move(peer));
}

}  // namespace troupe::actors::gateway
