#include "actors/dispatch/dispatch_actor.hpp"

#include <string>
#include <utility>

#include "actors/link/stage_actor.hpp"
#include "config/limits.hpp"

namespace troupe::actors::dispatch {
namespace {

using std::chrono::duration;

// Label values of interfaces: troupe_requests_refused_total{reason}.
const char* refusal_reason(messages::FailureCode code) {
  return code == messages::FailureCode::kOverload ? "overload" : "invalid";
}

// The dispatcher, its links, and what has been told to the gateway.
class Shell {
 public:
  Shell(caf::event_based_actor* self,
        DispatcherOptions options,
        DispatchLinks links,
        DispatchMemory memory,
        std::shared_ptr<observe::Metrics> metrics)
      : self_(self),
        core_(std::move(options)),
        links_(std::move(links)),
        keeper_(std::move(memory.file), memory.ended_kept, std::move(memory.ended)),
        metrics_(std::move(metrics)) {
    for (RestoredEntry& entry : memory.restored) {
      metrics_->request_accepted();
      metrics_->request_resumed();
      core_.restore(std::move(entry));
    }
    publish();
    tell_readiness();
  }

  // CLOCK_MONOTONIC, which the next front reads alike.
  Time now() const {
    return std::chrono::duration_cast<Time>(self_->clock().now().time_since_epoch());
  }

  Dispatcher& core() { return core_; }

  void perform(const Effects& effects) {
    keeper_.journal(effects, core_, now());  // nothing is emitted that the ledger does not hold
    core_.hold_back(keeper_.full());
    for (const auto& plan : effects.plans) {
      metrics_->request_accepted();
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
    for (const EndedRequest& ended : effects.ended) {
      metrics_->request_finished(kEndingNames[ended.ending]);
    }
    for (std::size_t i = 0; i < effects.resumed.size(); ++i) metrics_->request_resumed();
    for (const auto& [peer, welcome] : effects.welcomes) links_.to_workers.send_to(peer, welcome);
    for (const auto& [peer, cancel] : effects.cancels) links_.to_workers.send_to(peer, cancel);
    for (const auto& [peer, item] : effects.work) hand_out(peer, item);
    tell_readiness();
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
  Dispatcher core_;
  DispatchLinks links_;
  LedgerKeeper keeper_;
  std::shared_ptr<observe::Metrics> metrics_;
  messages::NodeReadiness told_;
};

}  // namespace

caf::behavior dispatch_actor(caf::event_based_actor* self,
                             DispatcherOptions options,
                             DispatchLinks links,
                             DispatchMemory memory,
                             std::shared_ptr<observe::Metrics> metrics) {
  link::name_exceptions(self);
  auto shell = std::make_shared<Shell>(
      self, std::move(options), std::move(links), std::move(memory), metrics);
  self->delayed_send(self, config::kBeatInterval, caf::tick_atom_v);
  return {
      [shell](const messages::TokenizedRequest& request) {
        shell->perform(shell->core().on_request(request, shell->now()));
      },
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
      [self, shell](caf::tick_atom) {
        shell->tick();
        self->delayed_send(self, config::kBeatInterval, caf::tick_atom_v);
      },
  };
}

void worker_unreachable(const caf::actor& dispatch, std::string peer) {
  caf::anon_send(dispatch, caf::leave_atom_v, std::move(peer));
}

}  // namespace troupe::actors::dispatch
