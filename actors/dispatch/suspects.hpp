// Which requests may have killed a worker, and what their trials have shown. Pure.
//
// A worker writes down what each step computes (messages/step_mark.hpp). When its work may have
// killed it, those requests are suspects: each runs alone until it has passed the step that killed
// the worker, or has killed one alone twice.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace troupe::actors::dispatch {

// A request of the step that a worker died in, as the ledger knows it.
struct InStep {
  std::uint64_t request_id = 0;
  std::size_t produced = 0;  // tokens journalled
};

// What is held against a request.
struct Suspicion {
  bool suspect = false;
  std::uint32_t lone_crashes = 0;
  std::optional<std::size_t> passed_at;  // tokens it had when it passed alone
  // Which death was counted last: news of it may come twice.
  std::uint64_t death = 0;

  bool operator==(const Suspicion&) const = default;
};

class Suspects {
 public:
  // A death that work can cause, `death` by its number, with the `size` requests of the step, of
  // which `known` have not ended. Told of it again, it changes nothing. Of a group only those are
  // suspects that have not just passed alone: whoever has is not tried again for each newcomer.
  // Returns those that are found guilty: they crashed alone twice.
  std::vector<std::uint64_t> on_death(std::span<const InStep> known,
                                      std::size_t size,
                                      std::uint64_t death);

  // The suspect, alone on its worker, has got a token: it passed.
  void acquit(std::uint64_t request_id, std::size_t produced);

  void forget(std::uint64_t request_id) { records_.erase(request_id); }

  // As a front before this one judged it.
  void restore(std::uint64_t request_id, const Suspicion& record) { records_[request_id] = record; }

  Suspicion suspicion(std::uint64_t request_id) const;

  bool is_suspect(std::uint64_t request_id) const { return suspicion(request_id).suspect; }

  bool any() const;

  // Requests that a worker may hold at once. Lowered when a group crashes again of which everyone
  // has passed alone: then the engine is at fault, and smaller batches may do.
  std::optional<std::size_t> batch_limit() const { return batch_limit_; }

  void lift_limit() { batch_limit_.reset(); }

 private:
  bool just_passed(const InStep& one) const;

  std::map<std::uint64_t, Suspicion> records_;
  std::optional<std::size_t> batch_limit_;

  // One lone crash may be a coincidence.
  static constexpr std::uint32_t kLoneCrashesMax = 2;
  // A group that crashes within so many tokens of its trials crashed at the same place.
  static constexpr std::size_t kSamePlaceTokens = 2;
};

}  // namespace troupe::actors::dispatch
