#include "actors/dispatch/dispatch_actor.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/dispatch/dispatch_restart.hpp"
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
        keeper_(stage.memory.file, stage.memory.ended_kept, stage.memory.ended) {
    for (const RestoredEntry& entry : stage.memory.restored) core_.restore(entry);
    publish();
    tell_readiness();
    links_.places.at("core");
    // Nothing throws from here on: what is taken over is counted, and let go, once.
    for (std::size_t i = 0; i < stage.memory.restored.size(); ++i) {
      stage_.tally.accept();
      metrics_->request_resumed();
    }
    stage.memory.restored = {};
    stage.memory.ended = {};
  }

  // One that takes another's place.
  Shell(caf::event_based_actor* self, Stage& stage, DispatchRestart restart)
      : self_(self),
        stage_(stage),
        links_(stage.links),
        metrics_(stage.metrics),
        core_(std::move(restart.core)),
        keeper_(std::move(restart.keeper)) {
    for (const messages::Failure& failure : restart.failures) links_.to_aggregate.send(failure);
    tell_again(restart.open);
    introduce(restart.peers);
    publish();
    tell_readiness();
    // Nothing throws from here on: it is counted once.
    for (std::size_t i = 0; i < restart.open.size(); ++i) metrics_->request_resumed();
  }

  StageHandover hand_over() const {
    return {.core = core_.hand_over(),
            .ended = keeper_.kept(),
            .suspects = keeper_.suspects(),
            .in_hand = in_hand_,
            .untold = untold_,
            .uncounted = uncounted_};
  }

  // It may come twice, when handling it failed half-way.
  void request(const messages::TokenizedRequest& request) {
    const std::uint64_t id = request.request_id;
    if (core_.ledger_entry(id) != nullptr || keeper_.has_ended(id)) return;
    in_hand_ = core_.before(request);
    perform(core_.on_request(request, now()));
    in_hand_.reset();
  }

  void failure(const messages::Failure& failure) {
    in_hand_ = core_.before(failure);
    perform(core_.on_failure(failure));
    in_hand_.reset();
  }

  void worker_down(const messages::SiblingDown& down) {
    Effects effects = core_.on_worker_down(down, now());
    messages::WorksMoved moved{.child = down.child, .generation = down.generation};
    moved.requeued = effects.resumed.size();
    moved.failed = effects.failures.size();
    perform(std::move(effects));
    if (links_.on_moved) links_.on_moved(moved);
  }

  void break_off(const std::vector<std::uint64_t>& ids) {
    perform(core_.break_off(ids, kBroken, now()));
  }

  // A request that never got into the ledger.
  void refuse(std::uint64_t id) {
    if (core_.ledger_entry(id) != nullptr) return break_off({id});
    failure({.request_id = id, .code = messages::FailureCode::kInternal, .message = kBroken});
  }

  // CLOCK_MONOTONIC, which the next front reads alike.
  Time now() const {
    return std::chrono::duration_cast<Time>(self_->clock().now().time_since_epoch());
  }

  Dispatcher& core() { return core_; }

  void perform(Effects effects) {
    links_.places.at("core");
    for (const EndedRequest& ended : effects.ended) uncounted_.push_back(ended.ending);
    untold_ = effects.failures;
    // Nothing is emitted that the ledger does not hold.
    const auto broken = keeper_.journal(effects, core_, now());
    core_.hold_back(keeper_.full());
    for (std::size_t i = 0; i < effects.accepted.size(); ++i) stage_.tally.accept();
    for (const EndedRequest& ended : effects.ended) stage_.tally.finish(ended.ending);
    uncounted_.clear();
    links_.places.at("journal");
    std::erase_if(effects.journaled.events, [&](const messages::TokenEvent& event) {
      return std::ranges::find(broken, event.request_id) != broken.end();
    });
    tell_aggregate(effects);
    tell_workers(effects);
    untold_.clear();
    tell_readiness();
    if (!broken.empty()) break_off(broken);
  }

  // Plans and tokens of all that is open, once more: aggregate drops what it has.
  void replay() { tell_again(keeper_.open(core_)); }

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
  template <class Message>
  void tell_aggregate(const Message& message) const {
    links_.places.at("send");
    links_.to_aggregate.send(message);
  }

  void tell_aggregate(const Effects& effects) {
    for (const auto& plan : effects.plans) {
      tell_aggregate(plan);
      metrics_->add_prompt_tokens(plan.prompt_tokens.size());
    }
    if (!effects.journaled.events.empty()) {
      tell_aggregate(effects.journaled);
      metrics_->add_generated_tokens(effects.journaled.events.size());
    }
    for (const auto& refusal : effects.refusals) {
      tell_aggregate(refusal);
      metrics_->request_refused(refusal_reason(refusal.code));
    }
    for (const auto& failure : effects.failures) tell_aggregate(failure);
  }

  void tell_workers(const Effects& effects) {
    for (std::size_t i = 0; i < effects.resumed.size(); ++i) metrics_->request_resumed();
    const auto send_all = [this](const auto& messages) {
      for (const auto& [peer, message] : messages) {
        links_.places.at("send");
        links_.to_workers.send_to(peer, message);
      }
    };
    send_all(effects.welcomes);
    send_all(effects.cancels);
    for (const auto& [peer, item] : effects.work) observe_queue(item.request_id);
    send_all(effects.work);
  }

  // What was journalled may not have been sent. A request that cannot be told ends: it would keep
  // each dispatcher after this one from starting.
  void tell_again(const std::vector<RestoredRequest>& all) {
    std::vector<std::uint64_t> broken;
    for (const RestoredRequest& one : all) {
      try {
        links_.to_aggregate.send(plan_of(one.request));
        send_events(one.events);
      } catch (const std::exception&) {
        broken.push_back(one.request.request_id);
      }
    }
    if (!broken.empty()) break_off(broken);
  }

  // Workers drop what the dispatcher before gave them, and say hello, without waiting for a beat.
  void introduce(const std::vector<std::string>& peers) const {
    const messages::WorkerWelcome welcome{
        .front_epoch = stage_.options.front_epoch, .refused = {}, .introduce = true};
    for (const std::string& peer : peers) links_.to_workers.send_to(peer, welcome);
  }

  void send_events(const std::vector<messages::TokenEvent>& events) const {
    for (std::size_t begin = 0; begin < events.size(); begin += kReplayedAtOnce) {
      const std::size_t end = std::min(events.size(), begin + kReplayedAtOnce);
      messages::JournaledTokens part;
      for (std::size_t i = begin; i < end; ++i) part.events.push_back(events[i]);
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

  void observe_queue(std::uint64_t request_id) const {
    const LedgerEntry* entry = core_.ledger_entry(request_id);
    if (entry == nullptr) return;
    metrics_->observe_queue(duration<double>(now() - entry->accepted).count());
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
  // Of the message in hand, for the next incarnation if it throws.
  std::optional<InHand> in_hand_;
  std::vector<messages::Failure> untold_;
  std::vector<Ending> uncounted_;
};

caf::behavior handlers(const std::shared_ptr<Shell>& shell) {
  return {
      [shell](const messages::TokenizedRequest& request) { shell->request(request); },
      [shell](const messages::Failure& failure) { shell->failure(failure); },
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
      [shell](const messages::SiblingDown& down) { shell->worker_down(down); },
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
    if (!latest) {
      latest = std::make_shared<Shell>(self, *stage);
    } else {
      const Time now = latest->now();
      latest = std::make_shared<Shell>(self,
                                       *stage,
                                       restart_dispatch(stage->options,
                                                        stage->memory.file,
                                                        stage->memory.ended_kept,
                                                        latest->hand_over(),
                                                        stage->tally,
                                                        lives,
                                                        now));
    }
    return supervision::Incarnation{handlers(latest), give_up(latest)};
  };
  return {
      .name = "dispatch", .make = make, .tick = config::kBeatInterval, .at_exit = {}, .before = {}};
}

void worker_unreachable(const caf::actor& dispatch, std::string peer) {
  caf::anon_send(dispatch, caf::leave_atom_v, std::move(peer));
}

}  // namespace troupe::actors::dispatch
