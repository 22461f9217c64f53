#include "apps/root_node.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "apps/console.hpp"
#include "apps/machine.hpp"

namespace troupe::apps {
namespace {

namespace supervision = actors::supervision;
using supervision::ChildSpec;
using supervision::Milliseconds;

// The wall clock's milliseconds above a counter of starts: a later incarnation of a node begins
// above every earlier one's, and the whole stays below 2^53, where JSON readers lose digits.
// Starting a child takes more than a millisecond, so 1024 starts a millisecond are never reached.
std::uint64_t generation_base() {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<Milliseconds>(wall).count();
  return static_cast<std::uint64_t>(ms) << 10U;
}

// Workers before the front, so that the front, which drains, is the first to stop. The node lives
// without a worker, and says so; without a front it cannot.
std::vector<ChildSpec> child_specs(const config::NodeConfig& config) {
  std::vector<ChildSpec> specs;
  for (std::uint32_t i = 0; i < config.node.workers + config.node.spare; ++i) {
    specs.push_back({.name = "worker-" + std::to_string(i),
                     .beyond = supervision::Beyond::kChildOnly,
                     .validation = config::kValidationTimeout});
  }
  // The front counts its time itself; root's is longer, so that it can end what still runs.
  specs.push_back({.name = "front",
                   .shutdown = {.drain = config.node.drain_timeout + config::kTerminateTimeout}});
  return specs;
}

supervision::SupervisorPolicy policy_of(const config::SupervisionConfig& config) {
  return {.intensity = config.intensity,
          .period = config.period,
          .backoff_first = config.backoff_first,
          .backoff_max = config.backoff_max,
          .restarts_while_stopping = true};
}

// A plan (memory_plan.cpp) leaves a sixteenth of the control group's limit alone and gives a worker
// less than its share of the rest, so one that holds more has not kept to its plan.
std::uint64_t worker_memory_max(const config::NodeConfig& config) {
  constexpr std::uint64_t kMib = std::uint64_t{1} << 20U;
  if (config.node.worker_memory_mb != 0) return config.node.worker_memory_mb * kMib;
  const MemoryLimit limit = memory_limit();
  return limit.cgroup ? limit.bytes / 16 * 15 / (config.node.workers + config.node.spare) : 0;
}

// Children stop one after another, each in the time that it has for it; writing the end down takes
// no longer than one of them.
Milliseconds longest_stop(const supervision::Supervisor& supervisor) {
  Milliseconds longest = config::kTerminateTimeout;
  for (const auto& [id, child] : supervisor.children()) {
    longest += child.spec.shutdown.drain.value_or(Milliseconds(0)) + child.spec.shutdown.timeout;
  }
  return longest;
}

supervision::UniqueFd open_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return supervision::checked_fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                                 "cannot listen to signals");
}

}  // namespace

RootNode::RootNode(const config::NodeConfig& config, const RootOptions& options)
    : config_(config),
      options_(options),
      begun_(now()),
      random_(std::random_device{}()),
      supervisor_(child_specs(config),
                  policy_of(config.supervision),
                  generation_base(),
                  [this] { return std::uniform_real_distribution<double>()(random_); }),
      front_(supervisor_.find("front")->id),
      signals_(open_signals()),
      ledger_(supervision::make_memory_file("troupe-ledger", config::kLedgerBytes)),
      packed_(supervision::make_memory_file("troupe-packed", 0)),
      admin_(config.node.state / "admin.sock"),
      restart_log_(config.node.logs / "restart.log", {}, [this] { return standing_lines(); }),
      service_manager_(supervision::ServiceManager::from_environment()),
      worker_memory_max_(worker_memory_max(config)) {
  for (const auto& [id, child] : supervisor_.children()) children_[id];
}

RootNode::TimePoint RootNode::now() { return std::chrono::steady_clock::now(); }

const RootNode::ChildState& RootNode::state(ChildId child) const {
  return supervisor_.children().at(child);
}

bool RootNode::is_front(ChildId child) const { return child == front_; }

RootNode::Child& RootNode::front() { return children_.at(front_); }

int RootNode::run() {
  say("starting " + std::to_string(config_.node.workers) + " worker(s) with " +
      config_.model.file.filename().string() + ", state in " + config_.node.state.string());
  // A root that was killed left lines of children that are gone.
  log({.report = {.event = supervision::ReportEvent::kProgress}, .text = "started"});
  perform(supervisor_.start(now()));
  while (!done_) {
    wait_and_handle();
    perform(supervisor_.tick(now()));
    look_after_children();
    if (supervisor_.stopping()) service_manager_.stopping(longest_stop(supervisor_));
    service_manager_.beat(now());
  }
  log({.report = {.event = supervision::ReportEvent::kShutdown},
       .text = exit_code_ == 0 ? "drained" : "not drained"});
  if (exit_code_ == 0) admin_.finish(R"({"drained":true})");
  if (exit_code_ == 0) say("drained");
  return exit_code_;
}

int RootNode::poll_timeout_ms() const {
  TimePoint next = last_look_ + config::kLookInterval;
  if (const auto wakeup = supervisor_.next_wakeup()) next = std::min(next, *wakeup);
  // Rounded up: waking early would spin until the time has come.
  const auto wait = std::chrono::ceil<Milliseconds>(next - now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(wait, 0, config::kLookInterval.count()));
}

void RootNode::wait_and_handle() {
  std::vector<pollfd> waits{{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                            {.fd = admin_.fd(), .events = POLLIN, .revents = 0}};
  const auto wait_for = [&](int fd) { waits.push_back({fd, POLLIN, 0}); };  // -1 is ignored
  std::vector<ChildId> ids;
  for (auto& [id, child] : children_) {
    ids.push_back(id);
    wait_for(child.process ? child.process->pid_fd() : -1);
    wait_for(child.process ? child.process->error_fd() : -1);
    const bool heard = child.process && !child.process->control().closed();
    wait_for(heard ? child.process->control().fd() : -1);
  }
  if (poll(waits.data(), waits.size(), poll_timeout_ms()) <= 0) return;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const pollfd* own = &waits[2 + 3 * i];
    if (own[1].revents != 0) {
      children_.at(ids[i]).process->read_errors(
          [this, id = ids[i]](std::string_view text) { pass_on_errors(id, text); });
    }
    if (own[2].revents != 0) handle_frames(ids[i]);
    if (own[0].revents != 0) handle_end(ids[i]);
  }
  if (waits[0].revents != 0) handle_signal();
  if (waits[1].revents != 0) {
    admin_.serve([this](std::string_view line) { return answer(line); });
  }
}

void RootNode::handle_signal() {
  signalfd_siginfo signal{};
  while (read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
    if (!supervisor_.stopping()) {
      drain();
    } else {
      say("stopping at once");
      perform(supervisor_.stop_now(now()));
    }
  }
}

void RootNode::drain() {
  if (supervisor_.stopping()) return;
  say("draining: running requests have " +
      in_seconds(std::chrono::duration<double>(config_.node.drain_timeout).count()));
  perform(supervisor_.stop(now()));
}

supervision::AdminReply RootNode::answer(std::string_view line) {
  const supervision::AdminRequest request = supervision::read_admin_request(line);
  if (!request.error.empty()) return {.line = supervision::error_json_line(request.error)};
  if (request.command == supervision::AdminCommand::kStatus)
    return {.line = to_json_line(status())};
  drain();
  return {.line = R"({"draining":true})", .awaits_end = true};
}

}  // namespace troupe::apps
