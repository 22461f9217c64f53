#include "apps/worker.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "actors/infer/known_answer.hpp"
#include "actors/infer/scheduling.hpp"
#include "actors/observe/process_usage.hpp"
#include "apps/faults.hpp"
#include "apps/model_flags.hpp"
#include "apps/role.hpp"
#include "apps/step_mark.hpp"
#include "apps/worker_node.hpp"
#include "config/user_error.hpp"
#include "kernels/beating_device.hpp"
#include "messages/wire_kinds.hpp"

namespace troupe::apps {
namespace {

namespace infer = actors::infer;
namespace observe = actors::observe;

struct WorkerOptions {
  std::string name;
  std::uint64_t generation = 0;
  std::filesystem::path packed_memory;               // shared with the node's other workers
  std::function<void(const std::string&)> progress;  // what a person waits for
  std::function<void()> on_joined;
  // Shows the answer to the known prompt to whoever decides about traffic; false: none will come.
  std::function<bool(const std::string& answer)> wait_for_admission;
  // Of a worker that root watches; one of its own has no use for them.
  std::shared_ptr<actors::supervision::BeatPage> beats;
  std::shared_ptr<StepMark> mark;
  std::function<void(const messages::StageEvent&)> on_stage;
};

// What is done before each forward pass, on infer's thread.
std::function<void(const messages::Batch&)> before_step(std::size_t sequences_max,
                                                        std::shared_ptr<WorkerFaults> faults,
                                                        std::shared_ptr<StepMark> mark) {
  auto ids = std::make_shared<std::vector<std::uint64_t>>();
  ids->reserve(sequences_max);
  return [ids, faults = std::move(faults), mark = std::move(mark)](const messages::Batch& batch) {
    ids->clear();
    for (const messages::BatchSlice& slice : batch.slices) ids->push_back(slice.request_id);
    if (mark) mark->begin(*ids);
    faults->in_step(batch);
  };
}

// Blocks SIGTERM and SIGINT for this thread and those it starts; the descriptor is readable when
// one came.
int stop_signal_fd() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  return signalfd(-1, &stop, SFD_CLOEXEC);
}

void refuse_and_exit(const std::string& why) {
  std::fprintf(stderr, "troupe: the front refused this worker: %s\n", why.c_str());
  std::_Exit(kExitIncurable);
}

// The computation gets on. Empty where nobody looks.
std::function<void()> beat_of(const std::shared_ptr<actors::supervision::BeatPage>& page) {
  if (!page) return nullptr;
  return [page] { page->beats().compute.fetch_add(1, std::memory_order_relaxed); };
}

std::unique_ptr<kernels::Device> beating_device(
    std::unique_ptr<kernels::Device> device,
    const std::shared_ptr<actors::supervision::BeatPage>& page) {
  if (!page) return device;
  return std::make_unique<kernels::BeatingDevice>(std::move(device), beat_of(page));
}

// How long another process takes to pack is not this one's to answer for.
std::function<void(bool)> tell_waiting(const std::shared_ptr<actors::supervision::BeatPage>& page) {
  if (!page) return nullptr;
  return [page](bool begins) {
    page->beats().waits = begins ? 1 : 0;
    page->beats().compute.fetch_add(1, std::memory_order_relaxed);
  };
}

// What one operation of the largest step may cost, from what the known prompt cost: as much more as
// it has more tokens, spread over the layers; four operations make most of a layer's time, and four
// times that is still no hang.
std::uint32_t operation_cpu_ms(double prompt_seconds,
                               const config::NodeConfig& config,
                               const infer::Engine& engine) {
  const double tokens =
      std::max(1.0, static_cast<double>(config.batch.step_tokens_max) / infer::kKnownPromptTokens);
  const double layers = std::max(1, engine.architecture().layers);
  return static_cast<std::uint32_t>(prompt_seconds * 1000.0 * tokens / layers * 4.0);
}

// Loads, joins, and works until a stop signal comes or `parent_fd` (-1: none) is closed.
void work_until_stopped(const config::NodeConfig& config,
                        WorkerOptions options,
                        int stop_fd,
                        int parent_fd) {
  options.progress("loading " + config.model.file.filename().string());
  const LoadedModel model = load_model(config.model);
  const MemoryPlan plan = plan_memory(model, config, config.batch.sequences_max);
  options.progress(to_text(plan));
  model::WeightsOptions weights = weights_options(config, nullptr);
  weights.packed_memory = options.packed_memory;
  weights.progress = options.progress;
  weights.notice = options.progress;
  weights.on_waiting = tell_waiting(options.beats);
  weights.on_part = beat_of(options.beats);
  const auto faults = std::make_shared<WorkerFaults>(config, options.name);
  auto engine = std::make_shared<infer::Engine>(
      *model.file,
      beating_device(faults->hinder(make_device(config)), options.beats),
      infer::EngineOptions{.step_tokens_max = config.batch.step_tokens_max,
                           .sequences_max = config.batch.sequences_max,
                           .kv_blocks = plan.kv_blocks,
                           .end_tokens = model.tokenizer->end_of_generation(),
                           .weights = std::move(weights)});
  faults->at_start();
  const double cpu_before = observe::read_process_usage().cpu_seconds;
  const std::string answer = infer::answer_known_prompt(*engine);
  if (options.beats) {
    options.beats->beats().patience_ms =
        operation_cpu_ms(observe::read_process_usage().cpu_seconds - cpu_before, config, *engine);
  }
  if (!options.wait_for_admission(answer)) return;
  options.progress("model loaded, joining " + config.links.dispatch_to_worker);

  infer::let_others_compute();  // all threads that start now, but infer's own
  caf::actor_system_config system_config;
  configure_actor_system(system_config);
  caf::actor_system system{system_config};
  const WorkerNode node(
      system,
      config,
      model,
      std::move(engine),
      plan.kv_blocks,
      {.name = options.name,
       .generation = options.generation,
       .on_joined = options.on_joined,
       .on_refused = refuse_and_exit,
       .beats = options.beats,
       .on_stage = options.on_stage,
       .before_step = before_step(config.batch.sequences_max, faults, options.mark),
       .after_step =
           [mark = options.mark] {
             if (mark) mark->end();
           },
       .at_beat = [faults] { faults->at_beat(); },
       .link_faults = faults->links()});
  pollfd waits[] = {{.fd = stop_fd, .events = POLLIN, .revents = 0},
                    {.fd = parent_fd, .events = 0, .revents = 0}};
  while (poll(waits, 2, -1) < 0 && errno == EINTR) {
  }
}

std::uint64_t generation_of_now() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

std::string standalone_name() {
  char host[256] = "host";
  (void)gethostname(host, sizeof host - 1);
  return std::string("worker-") + host + "-" + std::to_string(getpid());
}

void run_standalone(const config::NodeConfig& config) {
  const auto say = [](const std::string& text) {
    std::fprintf(stderr, "troupe worker: %s\n", text.c_str());
  };
  work_until_stopped(config,
                     {.name = standalone_name(),
                      .generation = generation_of_now(),
                      .packed_memory = {},
                      .progress = say,
                      .on_joined = [say] { say("joined the front; taking work"); },
                      .wait_for_admission = [](const std::string&) { return true; },
                      .beats = nullptr,
                      .mark = nullptr,
                      .on_stage = nullptr},
                     stop_signal_fd(),
                     -1);
}

// Waits for root's word. False when root wants the worker to end, or is gone.
bool is_admitted(actors::supervision::ControlChannel& control, int stop_fd) {
  pollfd waits[] = {{.fd = stop_fd, .events = POLLIN, .revents = 0},
                    {.fd = control.fd(), .events = POLLIN, .revents = 0}};
  while (!control.closed() && waits[0].revents == 0) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return false;
    while (const auto frame = control.receive()) {
      messages::Header header;
      const bool readable = messages::read_header(*frame, header).empty();
      if (readable && header.kind == messages::Kind::kAdmit) return true;
    }
  }
  return false;
}

void serve_worker(int argc, char** argv) {
  const int stop_fd = stop_signal_fd();
  const RoleFlags flags = read_role_flags(argc, argv);
  const auto& control = flags.control;
  work_until_stopped(
      flags.config,
      {.name = flags.name,
       .generation = flags.generation,
       .packed_memory = "/proc/self/fd/" + std::to_string(flags.packed_fd),
       .progress =
           [control, beat = beat_of(flags.beats)](const std::string& text) {
             beat();
             control->send(messages::ChildProgress{text});
           },
       .on_joined = [] {},
       .wait_for_admission =
           [&control, stop_fd](const std::string& answer) {
             control->send(messages::ChildReady{.detail = {}, .answer = answer});
             return is_admitted(*control, stop_fd);
           },
       .beats = flags.beats,
       .mark = std::make_shared<StepMark>(
           flags.config.node.state, flags.name, flags.generation, flags.config.batch.sequences_max),
       .on_stage = [control](const messages::StageEvent& event) { control->send(event); }},
      stop_fd,
      control->fd());
}

}  // namespace

void add_worker_command(CLI::App& app, int&) {
  CLI::App* command =
      app.add_subcommand("worker", "Run a worker that joins a front on this or another machine");
  auto endpoint = std::make_shared<std::string>();
  auto flags = std::make_shared<ModelFlags>();
  command
      ->add_option(
          "--connect", *endpoint, "The front's endpoint for workers (links.dispatch_to_worker)")
      ->required();
  flags->add_to(*command);
  command->callback([endpoint, flags] {
    config::NodeConfig config = local_config(*flags);
    config.links.dispatch_to_worker = *endpoint;
    run_standalone(config);
  });
}

int run_worker_role(int argc, char** argv) {
  return run_role_main([&] { serve_worker(argc, argv); });
}

}  // namespace troupe::apps
