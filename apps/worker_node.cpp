#include "apps/worker_node.hpp"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "actors/batch/batch_actor.hpp"
#include "actors/infer/infer_actor.hpp"
#include "model/kv_cache.hpp"

namespace troupe::apps {
namespace {

namespace link = actors::link;
namespace batch = actors::batch;
namespace infer = actors::infer;
using link::SocketType;

// The worker's sockets, by index.
enum WorkerSocket : link::SocketId {
  kDispatch,
  kBatchToInfer,
  kInferFromBatch,
  kInferToBatch,
  kBatchFromInfer
};

constexpr const char* kDispatchName = "worker.dispatch";

std::vector<link::SocketSpec> worker_sockets(const config::LinkConfig& links,
                                             const WorkerNodeOptions& options) {
  return {
      {.name = kDispatchName,
       .type = SocketType::kDealer,
       .endpoint = links.dispatch_to_worker,
       // A generation of its own: a late frame of a dead incarnation comes from another identity.
       .identity = options.name + "#" + std::to_string(options.generation),
       .numbered = true},
      {.name = "batch.infer", .type = SocketType::kPush, .endpoint = links.batch_to_infer},
      {.name = "infer.batch",
       .type = SocketType::kPull,
       .bind = true,
       .endpoint = links.batch_to_infer},
      {.name = "infer.result", .type = SocketType::kPush, .endpoint = links.infer_to_batch},
      {.name = "batch.result",
       .type = SocketType::kPull,
       .bind = true,
       .endpoint = links.infer_to_batch},
  };
}

std::vector<link::SocketRoutes> worker_routes(const caf::actor& batch_stage,
                                              const caf::actor& infer_stage) {
  using messages::Kind;
  std::vector<link::SocketRoutes> routes(5);
  routes[kDispatch].handlers = {
      {Kind::kWorkerWelcome, link::deliver_to<messages::WorkerWelcome>(batch_stage)},
      {Kind::kWorkItem, batch::deliver_work_to(batch_stage)},
      {Kind::kCancelWork, link::deliver_to<messages::CancelWork>(batch_stage)}};
  routes[kInferFromBatch].handlers = {
      {Kind::kBatch, link::deliver_to<messages::Batch>(infer_stage)}};
  routes[kBatchFromInfer].handlers = {
      {Kind::kBatchResult, link::deliver_to<messages::BatchResult>(batch_stage)}};
  return routes;
}

// `batch_stage` is filled before the port gets its routes, so before any frame can be refused.
link::RefusalHandler on_refusal(std::shared_ptr<const caf::actor> batch_stage) {
  return [=](const std::string& socket, std::string_view, const link::Refusal& refusal) {
    std::fprintf(
        stderr, "troupe: link %s refused a frame: %s\n", socket.c_str(), refusal.why.c_str());
    if (socket != kDispatchName) return;
    refusal.lost ? batch::dispatch_unreachable(*batch_stage)
                 : batch::dispatch_unreadable(*batch_stage, refusal.why);
  };
}

using Page = std::shared_ptr<actors::supervision::BeatPage>;

// The beats first: what follows may hang.
std::function<void(const messages::Batch&)> before_step(const WorkerNodeOptions& options) {
  return [page = options.beats, then = options.before_step](const messages::Batch& batch) {
    if (page) page->beats().steps.fetch_add(1, std::memory_order_relaxed);
    if (page) page->beats().computing.store(1, std::memory_order_relaxed);
    then(batch);
  };
}

std::function<void()> after_step(const WorkerNodeOptions& options) {
  return [page = options.beats, then = options.after_step] {
    then();
    if (page) page->beats().computing.store(0, std::memory_order_relaxed);
  };
}

std::function<void(std::size_t, std::size_t)> beat_loop(const WorkerNodeOptions& options) {
  const Page page = options.beats;
  if (page) page->beats().makes_steps = 1;
  return [page, at_beat = options.at_beat](std::size_t running, std::size_t waiting) {
    if (at_beat) at_beat();
    if (!page) return;
    page->beats().in_flight = static_cast<std::uint32_t>(running);
    page->beats().waiting = static_cast<std::uint32_t>(waiting);
    page->beats().loop.fetch_add(1, std::memory_order_relaxed);
  };
}

// Batch and infer share the device's state: the process restarts, not they.
StageTreeOptions tree_options(const WorkerNodeOptions& options) {
  return {.process = options.name,
          .generation = options.generation,
          .policy = actors::supervision::kNoRestarts,
          .tell = [on_stage = options.on_stage](const messages::StageEvent& event,
                                                const actors::supervision::RestartRecord&) {
            if (on_stage) on_stage(event);
          }};
}

}  // namespace

WorkerNode::WorkerNode(caf::actor_system& system,
                       const config::NodeConfig& config,
                       const LoadedModel& model,
                       std::shared_ptr<infer::Engine> engine,
                       std::int32_t kv_blocks,
                       WorkerNodeOptions options)
    : tree_(system, config, tree_options(options)) {
  const auto hears = std::make_shared<caf::actor>();
  const caf::actor port = link::spawn_port(
      system, worker_sockets(config.links, options), on_refusal(hears), options.link_faults);
  const std::uint64_t generation = options.generation;
  const std::string numerics_id = engine->numerics_id();
  const messages::WorkerHello hello{.worker = options.name,
                                    .generation = generation,
                                    .numerics_id = numerics_id,
                                    .vocabulary_hash = model.vocabulary_hash,
                                    .sequences_max = config.batch.sequences_max,
                                    .context_max = model.context_max};
  tree_.watch("link", port);
  engine->keep_cache_warm();
  const caf::actor infer_stage =
      tree_.add(infer::infer_stage(std::move(engine),
                                   {.to_batch = {port, kInferToBatch, generation},
                                    .to_ledger = {port, kDispatch, generation},
                                    .worker_generation = generation,
                                    .before_step = before_step(options),
                                    .after_step = after_step(options)}),
                true);
  const caf::actor batch_stage =
      tree_.add(batch::batch_stage({.sequences_max = config.batch.sequences_max,
                                    .step_tokens_max = config.batch.step_tokens_max,
                                    .kv_blocks = kv_blocks,
                                    .block_tokens = model::kBlockTokens,
                                    .step_us_target = config.batch.step_ms_max * 1000ULL,
                                    .prefix_cache = config.batch.prefix_cache == "on",
                                    .plans_ahead = true,
                                    .numerics_id = numerics_id},
                                   hello,
                                   {.to_infer = {port, kBatchToInfer, generation},
                                    .to_dispatch = {port, kDispatch, generation},
                                    .on_beat = beat_loop(options),
                                    .on_joined = std::move(options.on_joined),
                                    .on_refused = std::move(options.on_refused)}));
  *hears = batch_stage;
  link::start_port(port, worker_routes(batch_stage, infer_stage));
  tree_.start();
}

}  // namespace troupe::apps
