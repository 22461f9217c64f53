#include "apps/front_node.hpp"

#include <chrono>
#include <ctime>
#include <memory>
#include <utility>

#include "actors/aggregate/aggregate_actor.hpp"
#include "actors/dispatch/dispatch_actor.hpp"
#include "actors/gateway/gateway_actor.hpp"
#include "actors/link/port_actor.hpp"
#include "actors/preprocess/preprocess_actor.hpp"
#include "apps/ledger_memory.hpp"
#include "apps/restored_front.hpp"
#include "apps/role.hpp"
#include "apps/stage_faults.hpp"

namespace troupe::apps {
namespace {

namespace dispatch = actors::dispatch;
namespace link = actors::link;
namespace observe = actors::observe;
using link::SocketType;
using messages::Kind;

// The front's sockets, by index. Each edge has a sending and a receiving end; the receiver binds.
enum FrontSocket : link::SocketId {
  kClients,
  kWorkers,
  kGatewayToPreprocess,
  kPreprocessFromGateway,
  kGatewayToDispatch,
  kDispatchFromGateway,
  kPreprocessToDispatch,
  kDispatchFromPreprocess,
  kDispatchToAggregate,
  kAggregateFromDispatch,
  kAggregateToDispatch,
  kDispatchFromAggregate,
  kAggregateToGateway,
  kGatewayFromAggregate,
  kFrontSockets
};

constexpr const char* kClientsName = "clients";
constexpr const char* kWorkersName = "workers";

void add_edge(std::vector<link::SocketSpec>& sockets,
              const std::string& name,
              const std::string& endpoint) {
  sockets.push_back({.name = name + ".out", .type = SocketType::kPush, .endpoint = endpoint});
  sockets.push_back(
      {.name = name + ".in", .type = SocketType::kPull, .bind = true, .endpoint = endpoint});
}

// In the order of FrontSocket.
std::vector<link::SocketSpec> front_sockets(const config::NodeConfig& config) {
  const config::LinkConfig& links = config.links;
  std::vector<link::SocketSpec> sockets = {{.name = kClientsName,
                                            .type = SocketType::kRouter,
                                            .bind = true,
                                            .endpoint = config.gateway.zmq},
                                           {.name = kWorkersName,
                                            .type = SocketType::kRouter,
                                            .bind = true,
                                            .endpoint = links.dispatch_to_worker,
                                            .numbered = true}};
  add_edge(sockets, "gateway-preprocess", links.gateway_to_preprocess);
  add_edge(sockets, "gateway-dispatch", links.gateway_to_dispatch);
  add_edge(sockets, "preprocess-dispatch", links.preprocess_to_dispatch);
  add_edge(sockets, "dispatch-aggregate", links.dispatch_to_aggregate);
  add_edge(sockets, "aggregate-dispatch", links.aggregate_to_dispatch);
  add_edge(sockets, "aggregate-gateway", links.aggregate_to_gateway);
  return sockets;
}

struct FrontStages {
  caf::actor gateway;
  std::vector<caf::actor> preprocess;
  caf::actor dispatch;
  caf::actor aggregate;
};

// To a worker of another release: such a pair would take each other's frames for damaged ones.
std::string refuse_version(std::uint64_t epoch, std::uint8_t minor) {
  const std::string major = std::to_string(messages::kVersionMajor) + ".";
  return messages::encode(
      messages::WorkerWelcome{.front_epoch = epoch,
                              .refused = "this worker speaks version " + major +
                                         std::to_string(minor) +
                                         " of the link between front and workers, the front " +
                                         major + std::to_string(messages::kVersionMinor) +
                                         ": run the same release of troupe on both"},
      epoch);
}

std::vector<link::SocketRoutes> front_routes(const FrontStages& stages, std::uint64_t epoch) {
  std::vector<link::SocketRoutes> routes(kFrontSockets);
  routes[kClients].raw = link::deliver_raw_to(stages.gateway);
  routes[kWorkers].handlers = {
      {Kind::kWorkerHello, link::deliver_with_peer_to<messages::WorkerHello>(stages.dispatch)},
      {Kind::kWorkerBeat, link::deliver_with_peer_to<messages::WorkerBeat>(stages.dispatch)},
      {Kind::kTokenFrame, link::deliver_with_peer_to<messages::TokenFrame>(stages.dispatch)},
      {Kind::kReleased, link::deliver_with_peer_to<messages::Released>(stages.dispatch)}};
  routes[kWorkers].answer_other_version = [epoch](std::uint8_t minor) {
    return refuse_version(epoch, minor);
  };
  routes[kPreprocessFromGateway].handlers = {
      {Kind::kGenerateRequest,
       link::deliver_in_turn<messages::GenerateRequest>(stages.preprocess)}};
  routes[kDispatchFromGateway].handlers = {
      {Kind::kCancelRequest, link::deliver_to<messages::CancelRequest>(stages.dispatch)}};
  routes[kDispatchFromPreprocess].handlers = {
      {Kind::kTokenizedRequest, link::deliver_to<messages::TokenizedRequest>(stages.dispatch)},
      {Kind::kFailure, link::deliver_to<messages::Failure>(stages.dispatch)}};
  routes[kAggregateFromDispatch].handlers = {
      {Kind::kReplyPlan, link::deliver_to<messages::ReplyPlan>(stages.aggregate)},
      {Kind::kJournaledTokens, link::deliver_to<messages::JournaledTokens>(stages.aggregate)},
      {Kind::kFailure, link::deliver_to<messages::Failure>(stages.aggregate)}};
  routes[kDispatchFromAggregate].handlers = {
      {Kind::kReplyFinished, link::deliver_to<messages::ReplyFinished>(stages.dispatch)},
      {Kind::kReplayRequest, link::deliver_to<messages::ReplayRequest>(stages.dispatch)}};
  routes[kGatewayFromAggregate].handlers = {
      {Kind::kReplyChunks, link::deliver_to<messages::ReplyChunks>(stages.gateway)}};
  return routes;
}

// Who is told that a peer cannot be reached. Filled before the port gets its routes, so before any
// frame can be refused.
struct RefusalListeners {
  caf::actor gateway;
  caf::actor dispatch;
};

link::RefusalHandler on_refusal(std::shared_ptr<observe::Metrics> metrics,
                                std::shared_ptr<const RefusalListeners> hears,
                                decltype(FrontNodeOptions::on_error) on_error) {
  return [=](const std::string& socket, std::string_view peer, const link::Refusal& refusal) {
    metrics->link_refusal();
    if (socket == kClientsName)
      actors::gateway::client_unreachable(hears->gateway, std::string(peer));
    if (socket == kWorkersName && refusal.lost)
      actors::dispatch::worker_unreachable(hears->dispatch, std::string(peer));
    on_error({.where = "link " + socket, .code = "refused", .text = refusal.why, .request_id = {}});
  };
}

// Adds what dispatch does not know to its numbers.
std::function<void(const messages::FrontStatus&)> with_addresses(
    std::function<void(const messages::FrontStatus&)> report,
    std::shared_ptr<const actors::supervision::StageTable> stages,
    std::string model,
    std::string http,
    std::string zmq) {
  return [=](messages::FrontStatus status) {
    status.model = model;
    status.http = http;
    status.zmq = zmq;
    status.stages = stages->rows();
    for (messages::StageStatus& stage : status.stages) {
      if (stage.name == "dispatch") stage.in_flight = status.running;
    }
    report(status);
  };
}

// To root, for restart.log, and to /metrics.
StageTreeOptions tree_options(FrontNodeOptions& options,
                              std::shared_ptr<observe::Metrics> metrics) {
  return {.process = "front",
          .generation = options.generation,
          // Without the ledger's file nothing outside a stage knows what it knew.
          .policy = options.ledger_fd < 0 ? actors::supervision::kNoRestarts
                                          : actors::supervision::kStagePolicy,
          .tell = [metrics, on_stage = std::move(options.on_stage)](
                      const messages::StageEvent& event,
                      const actors::supervision::RestartRecord& record) {
            const auto& end = record.report.end;
            if (!event.child.empty()) metrics->set_child_up(event.child, !end);
            if (end) metrics->child_restarted(event.child, code_of(*end));
            if (on_stage) on_stage(event);
          }};
}

dispatch::Time monotonic_now() {
  return std::chrono::duration_cast<dispatch::Time>(
      std::chrono::steady_clock::now().time_since_epoch());
}

dispatch::DispatcherOptions dispatch_options(const config::NodeConfig& config,
                                             const LoadedModel& model,
                                             std::uint64_t epoch,
                                             const dispatch::DispatchMemory& memory,
                                             dispatch::Time now) {
  return {.front_epoch = epoch,
          .queued_max = config.dispatch.queued_max,
          .vocabulary_hash = model.vocabulary_hash,
          .local_workers = config.node.workers + config.node.spare,
          .spare_workers = config.node.spare,
          .begun = now,
          // The front before had workers; they introduce themselves within a beat.
          .workers_known = memory.file && !memory.file->is_new(),
          .probe = token_fault(config.faults, "dispatch")};
}

std::vector<caf::actor> spawn_preprocess(StageTree& tree,
                                         const config::NodeConfig& config,
                                         const LoadedModel& model,
                                         const link::Sender& to_dispatch) {
  const auto preprocessor = std::make_shared<const actors::preprocess::Preprocessor>(
      model.tokenizer, model.chat_template, model.context_max);
  std::vector<caf::actor> pool;
  for (std::uint32_t member = 0; member < config.preprocess.pool; ++member) {
    const std::string name = "preprocess-" + std::to_string(member);
    pool.push_back(tree.add(
        actors::preprocess::preprocess_stage(name, preprocessor, to_dispatch, tree.places(name)),
        true));
  }
  return pool;
}

std::string host_of(const std::string& http) { return http.substr(0, http.rfind(':')); }

void tell_takeover(const RestoredFront& restored, const FrontNodeOptions& options) {
  if (!options.on_moved) return;
  options.on_moved({.child = "front",
                    .generation = options.generation,
                    .requeued = restored.memory.restored.size(),
                    .failed = restored.lost});
}

}  // namespace

FrontNode::FrontNode(caf::actor_system& system,
                     const config::NodeConfig& config,
                     const LoadedModel& model,
                     FrontNodeOptions options)
    : system_(system),
      metrics_(std::make_shared<observe::Metrics>()),
      tree_(system, config, tree_options(options, metrics_)) {
  const std::uint64_t epoch = options.generation;
  const auto& metrics = metrics_;
  const auto hears = std::make_shared<RefusalListeners>();
  const caf::actor port = link::spawn_port(system,
                                           front_sockets(config),
                                           on_refusal(metrics, hears, std::move(options.on_error)),
                                           options.link_faults);
  tree_.watch("link", port);
  const auto sender = [&](link::SocketId socket) { return link::Sender(port, socket, epoch); };

  const dispatch::Time now = monotonic_now();
  fit_ledger(options.ledger_fd, config, model.context_max);
  const auto probe = token_fault(config.faults, "aggregate");
  RestoredFront restored = restore_front(
      open_ledger(options.ledger_fd), model.tokenizer, probe, config.gateway.resume_grace, now);

  tell_takeover(restored, options);
  actors::gateway::GatewayStage gateway = actors::gateway::gateway_stage(
      {.config = config.gateway,
       .queued_max = config.dispatch.queued_max,
       .front_epoch =
           epoch & 0xFFFFFF,  // request ids keep 24 bits of it: enough to tell incarnations apart
       .model = model.alias,
       .context_max = model.context_max,
       .started_unix = std::time(nullptr),
       .metrics = metrics,
       .to_preprocess = sender(kGatewayToPreprocess),
       .to_dispatch = sender(kGatewayToDispatch),
       .clients = sender(kClients),
       .restored = std::move(restored.answers),
       .on_access = std::move(options.on_access),
       .places = tree_.places("gateway")});
  gateway_ = tree_.add(std::move(gateway.spec), true);
  gateway.open(gateway_);
  hears->gateway = gateway_;
  http_ = host_of(config.gateway.http) + ":" + std::to_string(gateway.http_port);

  FrontStages stages{.gateway = gateway_, .preprocess = {}, .dispatch = {}, .aggregate = {}};
  stages.aggregate =
      tree_.add(actors::aggregate::aggregate_stage(restored.aggregator,
                                                   model.tokenizer,
                                                   {.to_gateway = sender(kAggregateToGateway),
                                                    .to_dispatch = sender(kAggregateToDispatch),
                                                    .probe = probe,
                                                    .chunk_probe = chunk_fault(config.faults),
                                                    .places = tree_.places("aggregate")}));
  stages.dispatch = tree_.add(dispatch::dispatch_stage(
      dispatch_options(config, model, epoch, restored.memory, now),
      {.to_workers = sender(kWorkers),
       .to_aggregate = sender(kDispatchToAggregate),
       .gateway = gateway_,
       .report = with_addresses(
           std::move(options.report), tree_.table(), model.alias, http_, config.gateway.zmq),
       .on_moved = std::move(options.on_moved),
       .on_steps = std::move(options.on_steps),
       .places = tree_.places("dispatch")},
      std::move(restored.memory),
      metrics));
  hears->dispatch = stages.dispatch;
  stages.preprocess = spawn_preprocess(tree_, config, model, sender(kPreprocessToDispatch));
  for (const messages::ReplyFinished& finished : restored.finished) {
    caf::anon_send(stages.dispatch, finished);
  }
  link::start_port(port, front_routes(stages, epoch));

  dispatch_ = stages.dispatch;
  tree_.start();
}

void FrontNode::sibling_down(const messages::SiblingDown& down) const {
  caf::anon_send(dispatch_, down);
}

void FrontNode::drain(std::function<void()> on_drained) const {
  const caf::actor& gateway = gateway_;
  system_.spawn([gateway, on_drained = std::move(on_drained)](caf::event_based_actor* self) {
    self->request(gateway, caf::infinite, messages::Drain{}).then([on_drained](bool) {
      on_drained();
    });
  });
}

}  // namespace troupe::apps
