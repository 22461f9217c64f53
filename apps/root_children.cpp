// Root's children: what the supervisor wants of them, and what happens to them.
#include <csignal>
#include <system_error>
#include <utility>

#include "apps/console.hpp"
#include "apps/root_node.hpp"
#include "messages/wire_kinds.hpp"

namespace troupe::apps {
namespace {

namespace supervision = actors::supervision;
using supervision::ActionKind;
using supervision::Termination;

constexpr std::string_view kName = "troupe: ";  // what lines of ours begin with
// A child that floods its channel is answered piece by piece, so that the others are heard too.
constexpr int kFramesAtOnce = 64;
// A front is back long before so many workers have died.
constexpr std::size_t kUntoldMax = 256;
// A child that refuses to work says one line, or a few.
constexpr std::size_t kErrorsMax = 64;

// What the child said about its end, without the name that every line of ours begins with.
std::string last_words(const supervision::ChildProcess& process) {
  std::string_view line = process.last_error_line();
  if (line.starts_with(kName)) line.remove_prefix(kName.size());
  return line.empty() ? "" : ": " + std::string(line);
}

}  // namespace

void RootNode::perform(const Actions& actions) {
  for (const Action& action : actions) perform(action);
}

void RootNode::perform(const Action& action) {
  switch (action.kind) {
    case ActionKind::kStart:
      return start(action.child, action.generation);
    case ActionKind::kValidate:
      return validate(action.child, action.generation);
    case ActionKind::kAdmit:
      return admit(action.child);
    case ActionKind::kDrain:
      return ask_to_drain(action.child);
    case ActionKind::kTerminate:
      return signal(action.child, SIGTERM);
    case ActionKind::kKill:
      return signal(action.child, SIGKILL);
    case ActionKind::kGiveUp:
      return give_up(action.child);
    case ActionKind::kReport:
      return handle_report(action);
    case ActionKind::kExit:
      done_ = true;
  }
}

// What a child writes on standard error, less what another one has said since a child was started:
// all processes of a node refuse the same model with the same line.
void RootNode::pass_on_errors(ChildId id, std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n') + 1);
    const std::string_view piece = line.empty() ? text : line;
    text.remove_prefix(piece.size());
    if (piece.starts_with(kName) && errors_.size() < kErrorsMax) {
      if (errors_.try_emplace(std::string(piece), id).first->second != id) continue;
    }
    pass_on(piece);
  }
}

void RootNode::start(ChildId id, std::uint64_t generation) {
  errors_.clear();
  Child& child = children_[id];
  child.answer.clear();
  child.recycle_by.reset();
  child.recycled_for.clear();
  child.last_pid = 0;
  std::vector<std::string> arguments{"troupe",
                                     state(id).spec.name,
                                     "--config",
                                     options_.config_file.string(),
                                     "--generation",
                                     std::to_string(generation)};
  std::vector<int> inherited;
  if (is_front(id)) {
    arguments.insert(arguments.end(), {"--ledger-fd", std::to_string(ledger_.get())});
    inherited.push_back(ledger_.get());
  } else {
    arguments.insert(arguments.end(), {"--packed-fd", std::to_string(packed_.get())});
    inherited.push_back(packed_.get());
  }
  try {
    child.process.emplace(options_.executable, std::move(arguments), std::move(inherited));
    child.last_pid = child.process->pid();
    child.watch.emplace(child.process->pid());
  } catch (const std::system_error& error) {
    const Termination end{supervision::EndKind::kNotStarted, error.code().value()};
    child.last_words.clear();
    perform(supervisor_.terminated(id, generation, end, now()));
  }
}

void RootNode::signal(ChildId id, int signal) {
  Child& child = children_.at(id);
  if (child.process) child.process->send_signal(signal);
}

void RootNode::ask_to_drain(ChildId id) {
  Child& child = children_.at(id);
  const auto timeout = static_cast<std::uint32_t>(config_.node.drain_timeout.count());
  const bool heard = child.process && child.process->control().send(messages::Drain{timeout});
  if (!heard) signal(id, SIGTERM);
}

// The same bits were promised for every incarnation.
void RootNode::validate(ChildId id, std::uint64_t generation) {
  const bool right = known_answers_.add(state(id).spec.name, children_.at(id).answer);
  perform(supervisor_.validated(id, generation, right, now()));
  isolate_the_wrong();
}

// Who was believed until the majority spoke.
void RootNode::isolate_the_wrong() {
  for (const auto& [id, child] : supervisor_.children()) {
    const bool serves = child.phase == supervision::Phase::kReady && !is_front(id);
    if (!serves || known_answers_.is_right(children_.at(id).answer)) continue;
    perform(supervisor_.isolate(id, child.generation, supervision::EndKind::kInvalid, now()));
  }
}

void RootNode::admit(ChildId id) {
  Child& child = children_.at(id);
  // One that cannot be told is dying, which is noticed elsewhere.
  if (child.process) (void)child.process->control().send(messages::Admit{});
}

void RootNode::give_up(ChildId id) {
  const std::string& name = state(id).spec.name;
  if (supervisor_.stopping()) {
    exit_code_ = 1;
    return say("the node stops, because " + name + " " + children_.at(id).last_end);
  }
  const Child& child = children_.at(id);
  say(name + " " + (child.incurable ? child.last_end : "failed too often") +
      " and is not restarted any more; the node goes on without it");
  tell_who_is_gone();
}

void RootNode::handle_frames(ChildId id) {
  for (int i = 0; i < kFramesAtOnce && children_.at(id).process; ++i) {
    const auto frame = children_.at(id).process->control().receive();
    if (!frame) return;
    handle_frame(id, *frame);
  }
}

void RootNode::handle_frame(ChildId id, std::string_view frame) {
  messages::Header header;
  messages::ChildReady ready;
  messages::ChildProgress progress;
  messages::FrontStatus front;
  messages::StageEvent stage;
  messages::WorksMoved moved;
  const std::string& name = state(id).spec.name;
  messages::WireError error = messages::read_header(frame, header);
  if (!error.empty()) return say(name + " sent a frame that is none: " + error);
  if (header.kind == messages::Kind::kChildReady) {
    error = messages::decode(frame, ready);
    if (error.empty()) return handle_ready(id, std::move(ready));
  }
  if (header.kind == messages::Kind::kChildProgress) {
    error = messages::decode(frame, progress);
    if (error.empty()) return say(name + ": " + progress.text);
  }
  if (header.kind == messages::Kind::kFrontStatus && is_front(id)) {
    error = messages::decode(frame, front);
    if (error.empty()) return handle_front_status(std::move(front));
  }
  if (header.kind == messages::Kind::kStageEvent) {
    error = messages::decode(frame, stage);
    if (error.empty()) return handle_stage_event(id, std::move(stage));
  }
  if (header.kind == messages::Kind::kWorksMoved && is_front(id)) {
    error = messages::decode(frame, moved);
    if (error.empty()) return handle_moved(std::move(moved));
  }
  if (!error.empty()) say(name + " sent a broken frame: " + error);
}

void RootNode::handle_ready(ChildId id, messages::ChildReady ready) {
  children_.at(id).answer = std::move(ready.answer);
  perform(supervisor_.ready(id, state(id).generation, now()));
  if (is_front(id)) tell_front_the_past();
}

void RootNode::handle_front_status(messages::FrontStatus status) {
  front_status_ = std::move(status);
  if (said_ready_ || !front_status_.ready) return;
  said_ready_ = true;
  say("ready in " + in_seconds(std::chrono::duration<double>(now() - begun_).count()) +
      ": http://" + front_status_.http + " zmq " + front_status_.zmq + " model " +
      front_status_.model);
  service_manager_.ready("serving " + front_status_.model + " on http://" + front_status_.http);
}

void RootNode::handle_stage_event(ChildId id, messages::StageEvent event) {
  auto& lines = children_.at(id).stage_lines;
  if (event.child.empty()) lines.clear();  // their supervisor begins
  restart_log_.append(event.line);
  lines[event.child] = std::move(event.line);
}

void RootNode::handle_moved(messages::WorksMoved moved) {
  const ChildState* child = supervisor_.find(moved.child);
  // What is told once it is back belongs to no restart that is still to be logged.
  if (child == nullptr || child->phase == supervision::Phase::kReady) return;
  auto& known = children_.at(child->id).moved;
  // Of a front that died while it took over, the next one takes over the same requests again; a
  // worker that died while it started had none.
  if (known) {
    moved.failed += known->failed;
    if (!is_front(child->id)) moved.requeued += known->requeued;
  }
  known = std::move(moved);
}

void RootNode::handle_end(ChildId id) {
  Child& child = children_.at(id);
  handle_frames(id);  // its last words
  child.process->read_errors([this, id](std::string_view text) { pass_on_errors(id, text); });
  const std::optional<Termination> end = child.process->reap();
  if (!end) return;
  child.last_words = last_words(*child.process);
  const Termination told = child.watch->explain(*end);
  child.process.reset();
  child.stage_lines.clear();
  if (is_front(id)) {
    front_status_.ready = false;
    front_status_.stages.clear();
  }
  perform(supervisor_.terminated(id, state(id).generation, told, now()));
}

// The beats of all children, and the memory of workers that serve.
void RootNode::look_after_children() {
  const TimePoint time = now();
  if (time - last_look_ < config::kLookInterval) return;
  last_look_ = time;
  for (const auto& [id, child] : supervisor_.children()) {
    Child& own = children_.at(id);
    // Stopping has time limits of its own, and its last part has no beats.
    const bool judged = own.process && own.watch && child.phase != supervision::Phase::kStopping;
    if (!judged) continue;
    const std::uint64_t generation = child.generation;
    if (own.watch->hangs(own.process->beats(), time)) {
      perform(supervisor_.isolate(id, generation, own.watch->how_it_hangs(), time));
    } else if (!is_front(id) && child.phase == supervision::Phase::kReady) {
      keep_in_memory_limit(id, time);
    }
  }
}

// A worker that grows too large is replaced in a moment without requests, if there is one in the
// time that draining has.
void RootNode::keep_in_memory_limit(ChildId id, TimePoint time) {
  Child& child = children_.at(id);
  const bool exceeds =
      worker_memory_max_ != 0 && child.watch->exceeds_memory(worker_memory_max_, time);
  const supervision::Beats& beats = child.process->beats();
  const bool busy = beats.in_flight + beats.waiting != 0;
  if (exceeds && !child.recycle_by) {
    const bool soon = time - *state(id).ready_at < config::kUnfitAfterReady;
    const bool unfit = soon && beats.steps == 0;
    child.fitness = unfit ? supervision::Fitness::kUnfit : supervision::Fitness::kWornOut;
    child.recycle_by = time + config_.node.drain_timeout;
    if (busy) say(state(id).spec.name + " holds too much memory; its requests may end first");
  }
  if (child.recycle_by && (!busy || time >= *child.recycle_by)) recycle(id, time);
}

void RootNode::recycle(ChildId id, TimePoint time) {
  Child& child = children_.at(id);
  const Actions actions = supervisor_.recycle(id, state(id).generation, child.fitness, time);
  if (actions.empty()) return;  // the node stops
  const std::string limit = std::to_string(worker_memory_max_ >> 20U) + " MiB";
  if (child.fitness == supervision::Fitness::kUnfit) {
    const std::uint64_t held = supervision::own_memory_bytes(child.process->pid());
    child.recycled_for = "held " + std::to_string((held >> 20U) + 1) +
                         " MiB of memory as soon as it was ready and may hold " + limit +
                         ": raise node.worker_memory_mb, or lower --context or "
                         "batch.sequences_max";
  } else {
    child.recycled_for = "held more than its " + limit + " of memory, so it was replaced";
  }
  say(state(id).spec.name + " " + child.recycled_for);
  perform(actions);
}

void RootNode::tell_front(ChildId id, messages::SiblingDown down) {
  if (is_front(id)) return;
  if (!front().process) {
    untold_.push_back(std::move(down));
    if (untold_.size() > kUntoldMax) untold_.erase(untold_.begin());
    return;
  }
  // A front whose channel is full has not read for thousands of messages; its worker link tells it
  // too.
  (void)front().process->control().send(down);
}

// A new front: who died while none was there, and whom it would wait for in vain.
void RootNode::tell_front_the_past() {
  for (const messages::SiblingDown& down : untold_) {
    (void)front().process->control().send(down);
  }
  untold_.clear();
  tell_who_is_gone();
}

void RootNode::tell_who_is_gone() {
  for (const auto& [id, child] : supervisor_.children()) {
    if (!child.given_up) continue;
    tell_front(id,
               {.child = child.spec.name,
                .generation = child.generation,
                .reason = children_.at(id).last_reason,
                .gone = true});
  }
}

}  // namespace troupe::apps
