#include "actors/dispatch/dispatch_actor.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "actors/dispatch/tally.hpp"
#include "config/check.hpp"
#include "config/limits.hpp"

namespace troupe::actors::dispatch {
namespace {

using std::chrono::duration;

// Tokens in a frame of a replay: with all their alternatives below a megabyte, a frame's bound
// is 8.
constexpr std::size_t kReplayedAtOnce = 1024;

// Label values of interfaces: troupe_requests_refused_total{reason}.
const char* refusal_reason(messages::FailureCode code) {
  return code == messages::FailureCode::kOverload ? "overload" : "invalid";
}

// An attempt of an earlier dispatcher of this front is none of this one's, whatever its number
// there: no request is taken from workers so often.
constexpr std::uint32_t kAttemptsOfALife = 1U << 16;

constexpr const char* kBroken = "a message about this request failed twice in dispatch";

// What the first incarnation is made of, and what all share.
struct Stage {
  DispatcherOptions options;
  DispatchLinks links;
  DispatchMemory memory;
  std::shared_ptr<observe::Metrics> metrics;
  Tally tally;
};

// The dispatcher, its links, and what has been told to the gateway.
class Shell {
 public:
  // The first one.
  Shell(caf::event_based_actor* self, Stage& stage)
      : self_(self),
        stage_(stage),
        links_(stage.links),
        metrics_(stage.metrics),
        core_(stage.options),
        keeper_(stage.memory.file, stage.memory.ended_kept, std::move(stage.memory.ended)) {
    for (RestoredEntry& entry : stage.memory.restored) {
      stage_.tally.accept();
      metrics_->request_resumed();
      core_.restore(std::move(entry));
    }
    stage.memory.restored.clear();
    publish();
    tell_readiness();
  }

  // The `lives`th after it.
  Shell(caf::event_based_actor* self, Stage& stage, Handover handover, std::uint32_t lives)
      : self_(self),
        stage_(stage),
        links_(stage.links),
        metrics_(stage.metrics),
        core_(options_after(stage.options, now())),
        keeper_(stage.memory.file, stage.memory.ended_kept) {
    CHECK(stage.memory.file, "a stage without a memory is not restarted");
    std::vector<RestoredRequest> left = stage.memory.file->fold();
    const auto open = std::ranges::count_if(left, [](const auto& one) { return !one.end; });
    stage_.tally.settle(static_cast<std::size_t>(open));
    stage_.tally.write_to(handover.totals);
    handover.totals.accepted -= static_cast<std::uint64_t>(open);  // restoring counts them
    const std::vector<std::string> peers = handover.peers;
    const std::vector<std::uint64_t> were_open = handover.open;
    core_.take_over(std::move(handover));
    std::vector<KeptEnd> ended;
    for (const RestoredRequest& one : left) restore(one, lives, ended);
    keeper_ = LedgerKeeper(stage.memory.file, stage.memory.ended_kept, std::move(ended));
    for (RestoredRequest& one : left) tell_again(std::move(one));
    for (const std::uint64_t id : were_open) end_if_lost(id);
    introduce(peers);
    publish();
    tell_readiness();
  }

  Handover hand_over() const { return core_.hand_over(); }

  // It may come twice, when handling it failed half-way.
  void request(const messages::TokenizedRequest& request) {
    const std::uint64_t id = request.request_id;
    if (core_.ledger_entry(id) != nullptr || keeper_.has_ended(id)) return;
    perform(core_.on_request(request, now()));
  }

  void break_off(const std::vector<std::uint64_t>& ids) {
    perform(core_.break_off(ids, kBroken, now()));
  }

  // A request that never got into the ledger.
  void refuse(std::uint64_t id) {
    if (core_.ledger_entry(id) != nullptr) return break_off({id});
    perform(core_.on_failure(
        {.request_id = id, .code = messages::FailureCode::kInternal, .message = kBroken}));
  }

  // CLOCK_MONOTONIC, which the next front reads alike.
  Time now() const {
    return std::chrono::duration_cast<Time>(self_->clock().now().time_since_epoch());
  }

  Dispatcher& core() { return core_; }

  void perform(const Effects& effects) {
    keeper_.journal(effects, core_, now());  // nothing is emitted that the ledger does not hold
    core_.hold_back(keeper_.full());
    for (std::size_t i = 0; i < effects.accepted.size(); ++i) stage_.tally.accept();
    for (const EndedRequest& ended : effects.ended) stage_.tally.finish(ended.ending);
    for (const auto& plan : effects.plans) {
      metrics_->add_prompt_tokens(plan.prompt_tokens.size());
      links_.to_aggregate.send(plan);
    }
    if (!effects.journaled.events.empty()) {
      metrics_->add_generated_tokens(effects.journaled.events.size());
      links_.to_aggregate.send(effects.journaled);
    }
    for (const auto& refusal : effects.refusals) {
      metrics_->request_refused(refusal_reason(refusal.code));
      links_.to_aggregate.send(refusal);
    }
    for (const auto& failure : effects.failures) links_.to_aggregate.send(failure);
    for (std::size_t i = 0; i < effects.resumed.size(); ++i) metrics_->request_resumed();
    for (const auto& [peer, welcome] : effects.welcomes) links_.to_workers.send_to(peer, welcome);
    for (const auto& [peer, cancel] : effects.cancels) links_.to_workers.send_to(peer, cancel);
    for (const auto& [peer, item] : effects.work) hand_out(peer, item);
    tell_readiness();
  }

  // Plans and tokens of all that is open, once more: aggregate drops what it has.
  void replay() const {
    for (RestoredRequest& one : keeper_.open(core_)) tell_again(std::move(one));
  }

  // Times between tokens, read before the ledger takes the frame.
  void observe_tokens(const messages::TokenFrame& frame) {
    for (const auto& event : frame.events) {
      const LedgerEntry* entry = core_.ledger_entry(event.request_id);
      if (entry == nullptr || entry->attempt != event.attempt) continue;
      const Time since = now() - entry->last_token.value_or(entry->accepted);
      const double seconds = duration<double>(since).count();
      entry->last_token ? metrics_->observe_inter_token(seconds)
                        : metrics_->observe_time_to_first_token(seconds);
    }
    metrics_->observe_batch_size(frame.events.size());
  }

  void observe_finish(const messages::ReplyFinished& finished) {
    const LedgerEntry* entry = core_.ledger_entry(finished.request_id);
    if (entry == nullptr) return;
    metrics_->observe_request(duration<double>(now() - entry->accepted).count());
    metrics_->observe_generated_tokens(finished.tokens);
  }

  void observe_beat(const std::string& peer, const messages::WorkerBeat& beat) {
    const auto known = core_.workers().workers().find(peer);
    if (known == core_.workers().workers().end()) return;
    const std::string& name = known->second.hello.worker;
    metrics_->set_kv_blocks(name, beat.kv_blocks_used, beat.kv_blocks_cached, beat.kv_blocks_free);
    metrics_->set_hit_tokens(name, beat.hit_tokens);
    metrics_->set_preemptions(name, beat.preemptions);
    metrics_->set_nonfinite(name, beat.nonfinite);
    for (const messages::StepRecord& step : beat.steps) {
      metrics_->observe_step(static_cast<double>(step.step_us) * 1e-6);
    }
    if (!beat.steps.empty()) links_.on_steps(name, beat.steps);
  }

  void tick() {
    perform(core_.on_tick(now()));
    publish();
    report();
  }

 private:
  static DispatcherOptions options_after(DispatcherOptions options, Time now) {
    options.begun = now;
    options.workers_known = true;
    return options;
  }

  void restore(const RestoredRequest& one, std::uint32_t lives, std::vector<KeptEnd>& ended) {
    if (one.end) return ended.push_back(end_of(one));
    RestoredEntry restored = entry_of(one);
    restored.entry.attempt += lives * kAttemptsOfALife;
    restored.entry.end_proposed =
        !one.events.empty() && one.events.back().finish != messages::FinishReason::kNone;
    if (!one.events.empty()) restored.entry.last_token = now();
    metrics_->request_resumed();
    core_.restore(std::move(restored));
  }

  // What was journalled may not have been sent.
  void tell_again(RestoredRequest one) const {
    if (one.end && one.end->failed) return links_.to_aggregate.send(one.end->failure);
    if (one.end) return;
    links_.to_aggregate.send(plan_of(one.request));
    send_events(std::move(one.events));
  }

  // The file had no room for it (LedgerKeeper::lost).
  void end_if_lost(std::uint64_t id) const {
    if (core_.ledger_entry(id) != nullptr || keeper_.has_ended(id)) return;
    links_.to_aggregate.send(messages::Failure{.request_id = id,
                                               .code = messages::FailureCode::kInternal,
                                               .message = "the server lost this request"});
  }

  // Workers drop what the dispatcher before gave them, and say hello, without waiting for a beat.
  void introduce(const std::vector<std::string>& peers) const {
    const messages::WorkerWelcome welcome{
        .front_epoch = stage_.options.front_epoch, .refused = {}, .introduce = true};
    for (const std::string& peer : peers) links_.to_workers.send_to(peer, welcome);
  }

  void send_events(std::vector<messages::TokenEvent> events) const {
    for (std::size_t begin = 0; begin < events.size(); begin += kReplayedAtOnce) {
      const std::size_t end = std::min(events.size(), begin + kReplayedAtOnce);
      messages::JournaledTokens part;
      for (std::size_t i = begin; i < end; ++i) part.events.push_back(std::move(events[i]));
      links_.to_aggregate.send(part);
    }
  }

  // The gauges; at the start, too, so that nobody reads /metrics without them.
  void publish() {
    metrics_->set_requests(core_.queued_by_priority(), core_.running());
    const Snapshot snapshot = core_.snapshot();
    metrics_->set_conservation_error(snapshot.conservation_error());
    metrics_->set_stale_messages(snapshot.totals.stale);
    metrics_->set_ledger_lost(keeper_.lost());
  }

  void report() {
    const Totals& totals = core_.totals();
    links_.report({.accepted = totals.accepted,
                   .finished = totals.finished_sum(),
                   .refused = totals.refused,
                   .queued = static_cast<std::uint32_t>(core_.queued()),
                   .running = static_cast<std::uint32_t>(core_.running()),
                   .generated_tokens = totals.generated_tokens,
                   .ready = core_.ready(now()),
                   .numerics_id = core_.numerics_id()});
  }

  void hand_out(const std::string& peer, const messages::WorkItem& item) {
    const LedgerEntry* entry = core_.ledger_entry(item.request_id);
    if (entry != nullptr) {
      metrics_->observe_queue(duration<double>(now() - entry->accepted).count());
    }
    links_.to_workers.send_to(peer, item);
  }

  void tell_readiness() {
    messages::NodeReadiness current{.ready = core_.ready(now()),
                                    .numerics_id = core_.numerics_id(),
                                    .why = core_.why_not_ready()};
    if (current == told_) return;
    told_ = current;
    self_->send(links_.gateway, std::move(current));
    report();  // root says when the node is ready
  }

  caf::event_based_actor* self_;
  Stage& stage_;
  const DispatchLinks& links_;
  std::shared_ptr<observe::Metrics> metrics_;
  Dispatcher core_;
  LedgerKeeper keeper_;
  messages::NodeReadiness told_;
};

caf::behavior handlers(const std::shared_ptr<Shell>& shell) {
  return {
      [shell](const messages::TokenizedRequest& request) { shell->request(request); },
      [shell](const messages::Failure& failure) {
        shell->perform(shell->core().on_failure(failure));
      },
      [shell](const messages::CancelRequest& cancel) {
        shell->perform(shell->core().on_cancel(cancel.request_id, shell->now()));
      },
      [shell](const std::string& peer, const messages::TokenFrame& frame) {
        shell->observe_tokens(frame);
        shell->perform(shell->core().on_tokens(peer, frame, shell->now()));
      },
      [shell](const messages::ReplyFinished& finished) {
        shell->observe_finish(finished);
        shell->perform(shell->core().on_finished(finished, shell->now()));
      },
      [shell](const messages::ReplayRequest&) { shell->replay(); },
      [shell](const std::string& peer, const messages::WorkerHello& hello) {
        shell->perform(shell->core().on_hello(peer, hello, shell->now()));
      },
      [shell](const std::string& peer, const messages::WorkerBeat& beat) {
        shell->observe_beat(peer, beat);
        shell->perform(shell->core().on_beat(peer, beat, shell->now()));
      },
      [shell](const std::string& peer, const messages::Released& released) {
        shell->perform(shell->core().on_released(peer, released, shell->now()));
      },
      [shell](const messages::SiblingDown& down) {
        shell->perform(shell->core().on_worker_down(down, shell->now()));
      },
      [shell](caf::leave_atom, const std::string& peer) {
        shell->perform(shell->core().on_unreachable(peer, shell->now()));
      },
      [shell](caf::tick_atom) { shell->tick(); },
  };
}

// A cancel, a hello, a beat or a death that cannot be handled is forgotten: workers repeat
// themselves or fall silent.
caf::behavior give_up(const std::shared_ptr<Shell>& shell) {
  return {
      [shell](const messages::TokenizedRequest& request) { shell->refuse(request.request_id); },
      [shell](const messages::Failure& failure) { shell->refuse(failure.request_id); },
      [shell](const std::string&, const messages::TokenFrame& frame) {
        std::vector<std::uint64_t> ids;
        for (const messages::TokenEvent& event : frame.events) ids.push_back(event.request_id);
        shell->break_off(ids);
      },
      [shell](const messages::ReplyFinished& finished) { shell->break_off({finished.request_id}); },
      [shell](const std::string& peer, const messages::Released&) {
        shell->perform(shell->core().on_unreachable(peer, shell->now()));
      },
  };
}

}  // namespace

supervision::StageSpec dispatch_stage(DispatcherOptions options,
                                      DispatchLinks links,
                                      DispatchMemory memory,
                                      std::shared_ptr<observe::Metrics> metrics) {
  const auto stage = std::make_shared<Stage>(Stage{.options = std::move(options),
                                                   .links = std::move(links),
                                                   .memory = std::move(memory),
                                                   .metrics = metrics,
                                                   .tally = Tally(metrics)});
  // The one before lives until it has handed over.
  const auto make = [stage, latest = std::shared_ptr<Shell>()](caf::event_based_actor* self,
                                                               std::uint32_t lives) mutable {
    latest = latest ? std::make_shared<Shell>(self, *stage, latest->hand_over(), lives)
                    : std::make_shared<Shell>(self, *stage);
    return supervision::Incarnation{handlers(latest), give_up(latest)};
  };
  return {
      .name = "dispatch", .make = make, .tick = config::kBeatInterval, .at_exit = {}, .before = {}};
}

void worker_unreachable(const caf::actor& dispatch, std::string peer) {
  caf::anon_send(dispatch, caf::leave_atom_v, std::move(peer));
}

}  // namespace troupe::actors::dispatch
