#include "actors/dispatch/dispatch_restart.hpp"

#include <algorithm>
#include <utility>

#include "config/check.hpp"

namespace troupe::actors::dispatch {
namespace {

// An attempt of an earlier dispatcher of this front is none of this one's, whatever its number
// there: no request is taken from workers so often.
constexpr std::uint32_t kAttemptsOfALife = 1U << 16;

RestoredEntry goes_on(const RestoredRequest& one, std::uint32_t lives, Time now) {
  RestoredEntry restored = entry_of(one);
  restored.entry.attempt += lives * kAttemptsOfALife;
  restored.entry.end_proposed =
      !one.events.empty() && one.events.back().finish != messages::FinishReason::kNone;
  if (!one.events.empty()) restored.entry.last_token = now;
  return restored;
}

// Ends that the file holds, and requests for which it had no room (LedgerKeeper::lost).
std::vector<messages::Failure> failures_of(const StageHandover& before, const LedgerFile& file) {
  std::vector<messages::Failure> failures;
  for (const messages::Failure& failure : before.untold) {
    if (file.has_ended(failure.request_id)) failures.push_back(failure);
  }
  for (const std::uint64_t id : before.core.open) {
    const bool in_hand = before.in_hand && before.in_hand->request_id == id;
    if (in_hand || file.holds(id)) continue;
    failures.push_back({.request_id = id,
                        .code = messages::FailureCode::kInternal,
                        .message = "the server lost this request"});
  }
  return failures;
}

}  // namespace

DispatchRestart restart_dispatch(DispatcherOptions options,
                                 std::shared_ptr<LedgerFile> file,
                                 std::chrono::milliseconds ended_kept,
                                 StageHandover handover,
                                 Tally& tally,
                                 std::uint32_t lives,
                                 Time now) {
  CHECK(file, "a stage without a memory is not restarted");
  std::vector<RestoredRequest> open = file->open();
  Handover& known = handover.core;
  std::vector<messages::Failure> failures = failures_of(handover, *file);
  if (handover.in_hand && !file->holds(handover.in_hand->request_id)) {
    known.undo(std::move(*handover.in_hand));
  }
  tally.settle(open.size(), std::move(handover.uncounted));
  tally.write_to(known.totals);
  // Restoring counts them.
  if (options.mutant != Mutant::kRestartCountsAgain) known.totals.accepted -= open.size();
  std::erase_if(handover.ended,
                [&](const KeptEnd& one) { return !file->has_ended(one.request.request_id); });
  options.begun = now;
  options.workers_known = true;
  DispatchRestart next{.core = Dispatcher(std::move(options)),
                       .keeper = {std::move(file), ended_kept, std::move(handover.ended)},
                       .open = {},
                       .failures = std::move(failures),
                       .peers = std::move(known.peers)};
  next.core.take_over(std::move(known));
  for (const RestoredRequest& one : open) next.core.restore(goes_on(one, lives, now));
  next.keeper.suspect(std::move(handover.suspects));
  next.open = std::move(open);
  return next;
}

}  // namespace troupe::actors::dispatch
