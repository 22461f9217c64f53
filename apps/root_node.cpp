#include "apps/root_node.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "apps/console.hpp"
#include "messages/wire_kinds.hpp"

namespace troupe::apps {
namespace {

namespace supervision = actors::supervision;
using supervision::Action;
using supervision::ActionKind;
using supervision::ChildSpec;
using supervision::ChildState;
using supervision::Milliseconds;
using supervision::Phase;
using supervision::Termination;

// A child that floods its channel is answered piece by piece, so that the others are heard too.
constexpr int kFramesAtOnce = 64;

// The wall clock's milliseconds above a counter of starts: a later incarnation of a node begins
// above every earlier one's, and the whole stays below 2^53, where JSON readers lose digits.
// Starting a child takes more than a millisecond, so 1024 starts a millisecond are never reached.
std::uint64_t generation_base() {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<Milliseconds>(wall).count();
  return static_cast<std::uint64_t>(ms) << 10U;
}

// Workers before the front, so that the front, which drains, is the first to stop.
std::vector<ChildSpec> child_specs(const config::NodeConfig& config) {
  std::vector<ChildSpec> specs;
  for (std::uint32_t i = 0; i < config.node.workers; ++i) {
    specs.push_back({.name = "worker-" + std::to_string(i)});
  }
  specs.push_back(
      {.name = "front", .shutdown_timeout = config.node.drain_timeout + config::kTerminateTimeout});
  return specs;
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

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::kWaiting:
      return "waiting";
    case Phase::kStarting:
      return "starting";
    case Phase::kReady:
      return "ready";
    case Phase::kStopping:
      return "stopping";
    case Phase::kEnded:
      break;
  }
  return "ended";
}

bool ended_as_asked(const Termination& end) {
  return end == Termination{supervision::EndKind::kExited, 0} ||
         end == Termination{supervision::EndKind::kSignalled, SIGTERM};
}

// What the child said about its end, without the name that every line of ours begins with.
std::string last_words(const supervision::ChildProcess& process) {
  constexpr std::string_view kName = "troupe: ";
  std::string_view line = process.last_error_line();
  if (line.starts_with(kName)) line.remove_prefix(kName.size());
  return line.empty() ? "" : ": " + std::string(line);
}

double seconds_between(supervision::TimePoint from, supervision::TimePoint to) {
  return std::chrono::duration<double>(to - from).count();
}

std::string in_seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", seconds);
  return text;
}

}  // namespace

RootNode::RootNode(const config::NodeConfig& config, const RootOptions& options)
    : config_(config),
      options_(options),
      begun_(now()),
      random_(std::random_device{}()),
      supervisor_(child_specs(config),
                  {},
                  generation_base(),
                  [this] { return std::uniform_real_distribution<double>()(random_); }),
      children_(supervisor_.children().size()),
      signals_(open_signals()),
      admin_(config.node.state / "admin.sock"),
      restart_log_(config.node.logs / "restart.log") {}

RootNode::TimePoint RootNode::now() { return std::chrono::steady_clock::now(); }

const ChildState& RootNode::state(std::size_t child) const { return supervisor_.children()[child]; }

bool RootNode::is_front(std::size_t child) const { return child + 1 == children_.size(); }

int RootNode::run() {
  say("starting " + std::to_string(config_.node.workers) + " worker(s) with " +
      config_.model.file.filename().string() + ", state in " + config_.node.state.string());
  perform(supervisor_.start(now()));
  while (!done_) {
    wait_and_handle();
    perform(supervisor_.tick(now()));
  }
  log({.event = "shutdown", .text = exit_code_ == 0 ? "drained" : "not drained"});
  if (exit_code_ == 0) admin_.finish(R"({"drained":true})");
  if (exit_code_ == 0) say("drained");
  return exit_code_;
}

int RootNode::poll_timeout_ms() const {
  const auto next = supervisor_.next_wakeup();
  if (!next) return -1;
  // Rounded up: waking early would spin until the time has come.
  const auto wait = std::chrono::ceil<Milliseconds>(*next - now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(wait, 0, 60'000));
}

void RootNode::wait_and_handle() {
  std::vector<pollfd> waits{{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                            {.fd = admin_.fd(), .events = POLLIN, .revents = 0}};
  const auto wait_for = [&](int fd) { waits.push_back({fd, POLLIN, 0}); };  // -1 is ignored
  for (Child& child : children_) {
    wait_for(child.process ? child.process->pid_fd() : -1);
    wait_for(child.process ? child.process->error_fd() : -1);
    const bool heard = child.process && !child.process->control().closed();
    wait_for(heard ? child.process->control().fd() : -1);
  }
  if (poll(waits.data(), waits.size(), poll_timeout_ms()) <= 0) return;
  for (std::size_t i = 0; i < children_.size(); ++i) {
    const pollfd* own = &waits[2 + 3 * i];
    if (own[1].revents != 0) children_[i].process->read_errors(pass_on);
    if (own[2].revents != 0) handle_frames(i);
    if (own[0].revents != 0) handle_end(i);
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

void RootNode::perform(const Actions& actions) {
  for (const Action& action : actions) perform(action);
}

void RootNode::perform(const Action& action) {
  Child& child = children_[action.child];
  switch (action.kind) {
    case ActionKind::kStart:
      return start(action.child, action.generation);
    case ActionKind::kStop:
      return ask_to_stop(action.child);
    case ActionKind::kKill:
      if (child.process) child.process->send_signal(SIGKILL);
      return;
    case ActionKind::kGiveUp:
      return give_up(action.child);
    case ActionKind::kStopped:
      done_ = true;
  }
}

void RootNode::start(std::size_t index, std::uint64_t generation) {
  Child& child = children_[index];
  try {
    child.process.emplace(options_.executable,
                          std::vector<std::string>{"troupe",
                                                   state(index).spec.name,
                                                   "--config",
                                                   options_.config_file.string(),
                                                   "--generation",
                                                   std::to_string(generation),
                                                   "--control-fd"});
  } catch (const std::system_error& error) {
    const Termination end{supervision::EndKind::kNotStarted, error.code().value()};
    const ChildState before = state(index);
    const Actions actions = supervisor_.terminated(index, generation, end, now());
    child.last_reason = describe(end);
    log_end(index, before, end);
    say_end(index, child.last_reason);
    perform(actions);
  }
}

void RootNode::ask_to_stop(std::size_t index) {
  Child& child = children_[index];
  if (!child.process) return;
  const auto timeout = static_cast<std::uint32_t>(config_.node.drain_timeout.count());
  const bool drains = is_front(index) && state(index).ready_at &&
                      child.process->control().send(messages::Drain{timeout});
  if (!drains) child.process->send_signal(SIGTERM);
}

void RootNode::give_up(std::size_t index) {
  exit_code_ = 1;
  say("the node stops, because " + state(index).spec.name + " " + children_[index].last_reason);
}

void RootNode::handle_frames(std::size_t index) {
  for (int i = 0; i < kFramesAtOnce && children_[index].process; ++i) {
    const auto frame = children_[index].process->control().receive();
    if (!frame) return;
    handle_frame(index, *frame);
  }
}

void RootNode::handle_frame(std::size_t index, std::string_view frame) {
  messages::Header header;
  messages::ChildProgress progress;
  messages::FrontStatus front;
  messages::WireError error = messages::read_header(frame, header);
  if (!error.empty()) return say(state(index).spec.name + " sent a frame that is none: " + error);
  if (header.kind == messages::Kind::kChildReady) return handle_ready(index);
  if (header.kind == messages::Kind::kChildProgress) {
    error = messages::decode(frame, progress);
    if (error.empty()) return say(state(index).spec.name + ": " + progress.text);
  }
  if (header.kind == messages::Kind::kFrontStatus && is_front(index)) {
    error = messages::decode(frame, front);
    if (error.empty()) return handle_front_status(std::move(front));
  }
  if (!error.empty()) say(state(index).spec.name + " sent a broken frame: " + error);
}

void RootNode::handle_ready(std::size_t index) {
  const Phase before = state(index).phase;
  supervisor_.ready(index, state(index).generation, now());
  const ChildState& child = state(index);
  if (before != Phase::kStarting) return;
  supervision::RestartRecord record{
      .event = "progress", .kind = "process", .child = &child, .generation = child.generation};
  record.id = children_[index].process->pid();
  record.restarts_in_window = supervisor_.failures_in_period(index, now());
  if (child.died_at) {
    record.downtime = std::chrono::duration_cast<Milliseconds>(*child.ready_at - *child.died_at);
    record.text = "restarted";
  }
  log(record);
  if (!record.downtime) return;
  say(child.spec.name + " is back after " + std::to_string(record.downtime->count()) + " ms");
}

void RootNode::handle_front_status(messages::FrontStatus status) {
  front_status_ = std::move(status);
  if (said_ready_ || !front_status_.ready) return;
  said_ready_ = true;
  say("ready in " + in_seconds(seconds_between(begun_, now())) + ": http://" + front_status_.http +
      " zmq " + front_status_.zmq + " model " + front_status_.model);
}

void RootNode::handle_end(std::size_t index) {
  Child& child = children_[index];
  handle_frames(index);  // its last words
  child.process->read_errors(pass_on);
  const std::optional<Termination> end = child.process->reap();
  if (!end) return;
  const ChildState before = state(index);
  const Actions actions = supervisor_.terminated(index, before.generation, *end, now());
  child.last_reason = describe(*end);
  tell_front(index, before.generation, child.last_reason);
  if (before.phase == Phase::kStarting || cause_of(*end) == supervision::Cause::kConfiguration) {
    child.last_reason += last_words(*child.process);
  }
  log_end(index, before, *end);
  if (before.phase != Phase::kStopping) say_end(index, child.last_reason);
  if (before.phase == Phase::kStopping && !ended_as_asked(*end)) exit_code_ = 1;
  child.process.reset();
  if (is_front(index)) front_status_.ready = false;
  perform(actions);
}

void RootNode::tell_front(std::size_t index, std::uint64_t generation, const std::string& reason) {
  Child& front = children_.back();
  if (is_front(index) || !front.process) return;
  const messages::SiblingDown down{state(index).spec.name, generation, reason};
  // A front whose channel is full has not read for thousands of messages; its worker link tells it
  // too.
  (void)front.process->control().send(down);
}

void RootNode::log(supervision::RestartRecord record) {
  record.node = config_.node.state.string();
  record.supervisor = "root";
  if (record.kind.empty()) record.kind = "process";
  restart_log_.append(record.to_line(supervisor_.policy(), now()));
}

void RootNode::log_end(std::size_t index, const ChildState& before, Termination end) {
  const Child& child = children_[index];
  supervision::RestartRecord record{
      .kind = "process", .child = &before, .generation = before.generation, .end = end};
  if (before.phase == Phase::kStopping) {
    record.event = before.killed ? "shutdown_error" : "shutdown";
  } else {
    record.event = before.phase == Phase::kStarting ? "start_error" : "child_terminated";
  }
  record.id = child.process ? child.process->pid() : 0;
  record.text = child.last_reason;
  record.restarts_in_window = supervisor_.failures_in_period(index, now());
  const Phase after = state(index).phase;
  if (after == Phase::kWaiting || after == Phase::kStarting) record.backoff = state(index).backoff;
  log(std::move(record));
}

void RootNode::say_end(std::size_t index, const std::string& reason) const {
  const ChildState& child = state(index);
  std::string what = child.spec.name + " " + reason;
  if (child.phase == Phase::kStarting) what += "; restarting at once";
  if (child.phase == Phase::kWaiting) {
    what += "; restarting in " + std::to_string(child.backoff.count()) + " ms";
  }
  say(what);
}

supervision::AdminReply RootNode::answer(std::string_view line) {
  const supervision::AdminRequest request = supervision::read_admin_request(line);
  if (!request.error.empty()) return {.line = supervision::error_json_line(request.error)};
  if (request.command == supervision::AdminCommand::kStatus)
    return {.line = to_json_line(status())};
  drain();
  return {.line = R"({"draining":true})", .awaits_end = true};
}

supervision::NodeStatus RootNode::status() const {
  supervision::NodeStatus status{.node = config_.node.state.string(),
                                 .version = TROUPE_VERSION,
                                 .uptime_s = seconds_between(begun_, now()),
                                 .ready = front_status_.ready && !supervisor_.stopping(),
                                 .draining = supervisor_.stopping(),
                                 .front = front_status_};
  if (status.front.http.empty()) status.front.http = config_.gateway.http;
  if (status.front.zmq.empty()) status.front.zmq = config_.gateway.zmq;
  if (status.front.model.empty()) status.front.model = config_.model.alias;
  for (std::size_t i = 0; i < children_.size(); ++i) status.processes.push_back(process_status(i));
  return status;
}

supervision::ProcessStatus RootNode::process_status(std::size_t index) const {
  const ChildState& child = state(index);
  const auto& process = children_[index].process;
  const bool runs = process.has_value();
  return {.name = child.spec.name,
          .pid = runs ? process->pid() : 0,
          .state = name_of(child.phase),
          .generation = child.generation,
          .uptime_s = runs && child.started_at ? seconds_between(*child.started_at, now()) : 0.0,
          .restarts = child.restarts,
          .last_reason = children_[index].last_reason};
}

}  // namespace troupe::apps
