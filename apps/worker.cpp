#include "apps/worker.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "apps/model_flags.hpp"
#include "apps/role.hpp"
#include "apps/worker_node.hpp"
#include "config/user_error.hpp"
#include "messages/wire_kinds.hpp"

namespace troupe::apps {
namespace {

namespace infer = actors::infer;

struct WorkerOptions {
  std::string name;
  std::uint64_t generation = 0;
  std::function<void(const std::string&)> progress;  // what a person waits for
  std::function<void()> on_joined;
};

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

// Loads, joins, and works until a stop signal comes or `parent_fd` (-1: none) is closed.
void work_until_stopped(const config::NodeConfig& config,
                        WorkerOptions options,
                        int stop_fd,
                        int parent_fd) {
  options.progress("loading " + config.model.file.filename().string());
  const LoadedModel model = load_model(config.model);
  const MemoryPlan plan = plan_memory(model, config, config.batch.sequences_max);
  options.progress(to_text(plan));
  auto engine = std::make_shared<infer::Engine>(
      *model.file,
      make_device(config),
      infer::EngineOptions{.step_tokens_max = config.batch.step_tokens_max,
                           .sequences_max = config.batch.sequences_max,
                           .kv_blocks = plan.kv_blocks,
                           .end_tokens = model.tokenizer->end_of_generation(),
                           .weights = weights_options(config, options.progress)});
  options.progress("model loaded, joining " + config.links.dispatch_to_worker);

  caf::actor_system_config system_config;
  configure_actor_system(system_config);
  caf::actor_system system{system_config};
  const WorkerNode node(system,
                        config,
                        model,
                        std::move(engine),
                        plan.kv_blocks,
                        {.name = options.name,
                         .generation = options.generation,
                         .on_joined = options.on_joined,
                         .on_refused = refuse_and_exit});
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
                      .progress = say,
                      .on_joined = [say] { say("joined the front; taking work"); }},
                     stop_signal_fd(),
                     -1);
}

void serve_worker(int argc, char** argv) {
  const int stop_fd = stop_signal_fd();
  const RoleFlags flags = read_role_flags(argc, argv);
  const auto& control = flags.control;
  work_until_stopped(
      flags.config,
      {.name = flags.name,
       .generation = flags.generation,
       .progress =
           [control](const std::string& text) { control->send(messages::ChildProgress{text}); },
       .on_joined = [control] { control->send(messages::ChildReady{}); }},
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
