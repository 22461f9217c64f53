#include "actors/batch/batch_actor.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "actors/batch/step_journal.hpp"
#include "config/limits.hpp"

namespace troupe::actors::batch {
namespace {

std::uint64_t unix_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

// The batcher, its links, and which front it works for.
class Shell {
 public:
  Shell(const BatcherOptions& options, messages::WorkerHello hello, BatchLinks links)
      : core_(options), hello_(std::move(hello)), links_(std::move(links)) {}

  Batcher& core() { return core_; }

  void welcome(const messages::WorkerWelcome& welcome) {
    if (!welcome.refused.empty()) return links_.on_refused(welcome.refused);
    // The answer to what it said before it started over.
    if (!welcome.introduce && welcome.beginning != hello_.beginning) return;
    const bool is_other = welcome.front_epoch != front_epoch_ || welcome.admission != admission_;
    if (welcome.introduce || (front_epoch_ != 0 && is_other)) {
      core_.drop_all();  // the front has ended what it had given to this worker
      front_epoch_ = 0;
    }
    if (welcome.introduce) return links_.to_dispatch.send(hello_);
    if (front_epoch_ == welcome.front_epoch) return;
    front_epoch_ = welcome.front_epoch;
    admission_ = welcome.admission;
    links_.on_joined();
  }

  // Nobody knows what it was to do: it drops all, and the hello of its next beat says so. Not at
  // once, or a pipe that takes nothing would keep it busy.
  void start_over(std::string unreadable = {}) {
    core_.drop_all();
    front_epoch_ = 0;
    ++hello_.beginning;
    hello_.unreadable = std::move(unreadable);
  }

  // Nobody can read the rest of `name`: it ends at once, and gives its credit back.
  void refuse(const messages::WorkItem& name, const std::string& why) {
    if (name.front_epoch != front_epoch_) return;
    links_.to_dispatch.send(messages::TokenFrame{
        .front_epoch = front_epoch_,
        .worker_generation = hello_.generation,
        .events = {{.request_id = name.request_id,
                    .attempt = name.attempt,
                    .position = messages::kNoPosition,
                    .finish = messages::FinishReason::kError,
                    .error = "the worker could not read the request: " + why}}});
    links_.to_dispatch.send(messages::Released{.front_epoch = front_epoch_,
                                               .worker_generation = hello_.generation,
                                               .works = {{name.request_id, name.attempt}}});
  }

  void add(const messages::WorkItem& item) {
    if (item.front_epoch == front_epoch_) core_.add(item);
  }

  void cancel(const messages::CancelWork& cancel) {
    if (cancel.front_epoch == front_epoch_) core_.cancel(cancel);
  }

  // Sends what an input has made possible: the next steps, credits.
  void proceed() {
    while (auto batch = core_.next_batch()) {
      batch->front_epoch = front_epoch_;
      journal_.begin(*batch);
      links_.to_infer.send(*batch);
    }
    std::vector<messages::ReleasedWork> released = core_.take_released();
    if (released.empty()) return;
    links_.to_dispatch.send(messages::Released{.front_epoch = front_epoch_,
                                               .worker_generation = hello_.generation,
                                               .works = std::move(released)});
  }

  // Throws std::runtime_error when a result was lost on the way.
  void finish(const messages::BatchResult& result) {
    if (result.step != core_.step_under_way()) {
      throw std::runtime_error("the result of step " + std::to_string(core_.step_under_way()) +
                               " was lost");
    }
    nonfinite_ += result.nonfinite;
    core_.finish(result);
    journal_.finish(result,
                    unix_us(),
                    {.waiting = static_cast<std::uint32_t>(core_.waiting()),
                     .kv_blocks_used = static_cast<std::uint32_t>(core_.blocks().used),
                     .kv_blocks_free = static_cast<std::uint32_t>(core_.blocks().free),
                     .preemptions = core_.preemptions()});
  }

  void beat() {
    links_.on_beat(core_.running(), core_.waiting());
    if (front_epoch_ == 0) return links_.to_dispatch.send(hello_);
    const BlockCounts blocks = core_.blocks();
    links_.to_dispatch.send(
        messages::WorkerBeat{.worker_generation = hello_.generation,
                             .step = core_.steps(),
                             .steps = journal_.take(),
                             .running = static_cast<std::uint32_t>(core_.running()),
                             .waiting = static_cast<std::uint32_t>(core_.waiting()),
                             .kv_blocks_used = static_cast<std::uint32_t>(blocks.used),
                             .kv_blocks_cached = static_cast<std::uint32_t>(blocks.cached),
                             .kv_blocks_free = static_cast<std::uint32_t>(blocks.free),
                             .preemptions = core_.preemptions(),
                             .nonfinite = nonfinite_,
                             .hit_tokens = core_.hit_tokens()});
  }

 private:
  Batcher core_;
  StepJournal journal_;
  messages::WorkerHello hello_;
  BatchLinks links_;
  std::uint64_t front_epoch_ = 0;  // 0: no front has welcomed this worker yet
  std::uint64_t admission_ = 0;    // by which it did
  std::uint64_t nonfinite_ = 0;
};

caf::behavior handlers(const std::shared_ptr<Shell>& shell) {
  return {
      [shell](const messages::WorkerWelcome& welcome) {
        shell->welcome(welcome);
        shell->proceed();
      },
      [shell](const messages::WorkItem& item) {
        shell->add(item);
        shell->proceed();
      },
      [shell](const messages::WorkItem& name, const std::string& why) { shell->refuse(name, why); },
      [shell](const messages::CancelWork& cancel) {
        shell->cancel(cancel);
        shell->proceed();
      },
      [shell](const messages::BatchResult& result) {
        shell->finish(result);
        shell->proceed();
      },
      [shell](caf::leave_atom) {
        shell->start_over();
        shell->proceed();
      },
      [shell](caf::leave_atom, const std::string& unreadable) {
        shell->start_over(unreadable);
        shell->proceed();
      },
      [shell](caf::tick_atom) { shell->beat(); },
  };
}

}  // namespace

supervision::StageSpec batch_stage(BatcherOptions options,
                                   messages::WorkerHello hello,
                                   BatchLinks links) {
  const auto make = [=](caf::event_based_actor*, std::uint32_t) {
    return supervision::Incarnation{handlers(std::make_shared<Shell>(options, hello, links)), {}};
  };
  return {
      .name = "batch", .make = make, .tick = config::kBeatInterval, .at_exit = {}, .before = {}};
}

void dispatch_unreachable(const caf::actor& batch) { caf::anon_send(batch, caf::leave_atom_v); }

void dispatch_unreadable(const caf::actor& batch, std::string why) {
  caf::anon_send(batch, caf::leave_atom_v, std::move(why));
}

link::FrameHandler deliver_work_to(caf::actor batch) {
  return [batch = std::move(batch)](std::string_view, std::string_view frame) {
    messages::WorkItem item;
    messages::WireError error = messages::decode(frame, item);
    if (error.empty()) {
      caf::anon_send(batch, std::move(item));
      return error;
    }
    messages::WorkItem name;
    if (!messages::read_work_name(frame, name)) return error;
    caf::anon_send(batch, std::move(name), std::move(error));
    return messages::WireError{};
  };
}

}  // namespace troupe::actors::batch
