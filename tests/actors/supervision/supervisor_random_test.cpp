// Random sequences of everything that can happen to a supervisor, in virtual time. A failing seed
// is printed and replays exactly.
#include <map>
#include <random>
#include <set>
#include <utility>

#include "actors/supervision/restart_log.hpp"
#include "actors/supervision/restart_replay.hpp"
#include "tests/actors/supervision/supervisor_stage.hpp"

using namespace troupe::tests;

namespace {

constexpr int kSeeds = 2'000;
constexpr int kSteps = 150;

// The world that a supervisor acts on, and the invariants that it must keep.
class World {
 public:
  explicit World(std::uint32_t seed) : random_(seed), policy_(any_policy()) {
    core_.emplace(any_children(), policy_, kBase, [this] {
      return std::uniform_real_distribution<double>()(random_);
    });
    obey(core_->start(now_));
  }

  // How many children were asked to stop in the end, one after another.
  int run() {
    for (int step = 0; step < kSteps && !exited_; ++step) {
      happen();
      const auto wakeup = core_->next_wakeup();
      // A wake-up that stays in the past would spin.
      BOOST_REQUIRE(!wakeup || *wakeup > now_ || due_was_late(*wakeup));
    }
    end();
    return turns_;
  }

 private:
  struct Life {
    std::uint64_t generation = 0;
    bool asked = false;  // to end, in whatever way
  };

  std::uint32_t pick(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }

  SupervisorPolicy any_policy() {
    const Strategy strategies[] = {Strategy::kOneForOne,
                                   Strategy::kOneForAll,
                                   Strategy::kRestForOne,
                                   Strategy::kSimpleOneForOne};
    const AutoShutdown modes[] = {
        AutoShutdown::kNever, AutoShutdown::kAnySignificant, AutoShutdown::kAllSignificant};
    return {.strategy = strategies[pick(4)],
            .start_order = pick(2) == 0 ? StartOrder::kInOrder : StartOrder::kTogether,
            .auto_shutdown = modes[pick(3)],
            .intensity = 1 + pick(6),
            .period = Milliseconds(1'000 * (1 + pick(60))),
            .backoff_first = Milliseconds(pick(2) * 50),
            .restarts_while_stopping = pick(2) == 0,
            .children_max = 16};
  }

  ChildSpec any_spec(const std::string& name) {
    const RestartType types[] = {
        RestartType::kPermanent, RestartType::kTransient, RestartType::kTemporary};
    const ShutdownKind kinds[] = {
        ShutdownKind::kTimeout, ShutdownKind::kInfinity, ShutdownKind::kBrutalKill};
    ChildSpec spec{.name = name, .restart = types[pick(3)]};
    spec.shutdown.kind = kinds[pick(3)];
    if (pick(3) == 0) spec.shutdown.drain = 3s;
    if (pick(3) == 0) spec.validation = 1s;
    if (pick(4) == 0) spec.start_timeout = 4s;
    if (pick(3) == 0) spec.beyond = Beyond::kChildOnly;
    spec.significant = pick(4) == 0;
    spec.significant = spec.significant && Supervisor::valid(spec, policy_);
    return spec;
  }

  std::vector<ChildSpec> any_children() {
    const bool simple = policy_.strategy == Strategy::kSimpleOneForOne;
    std::vector<ChildSpec> specs;
    const std::uint32_t count = simple ? 1 : pick(5);
    for (std::uint32_t i = 0; i < count; ++i) specs.push_back(any_spec(next_name()));
    return specs;
  }

  std::string next_name() { return "c" + std::to_string(++named_); }

  void happen() {
    switch (pick(12)) {
      case 0:
        return obey(core_->start_child(any_spec(next_name()), now_).second);
      case 1:
        return obey(core_->start_dynamic(now_).second);
      case 2:
        return obey(core_->terminate_child(any_name(), now_).second);
      case 3:
        return obey(core_->restart_child(any_name(), now_).second);
      case 4:
        (void)core_->delete_child(any_name());
        return check();
      case 5:
        return pick(20) == 0 ? obey(core_->stop(now_)) : pass();
      case 6:
      case 7:
        return pass();
      default:
        return live();
    }
  }

  std::string any_name() {
    if (core_->children().empty()) return "nobody";
    auto it = core_->children().begin();
    std::advance(it, pick(static_cast<std::uint32_t>(core_->children().size())));
    return it->second.spec.name;
  }

  void pass() {
    now_ += Milliseconds(pick(3'000));
    obey(core_->tick(now_));
  }

  // Something happens to one of the living.
  void live() {
    if (lives_.empty()) return;
    auto it = lives_.begin();
    std::advance(it, pick(static_cast<std::uint32_t>(lives_.size())));
    const ChildId id = it->first;
    const std::uint64_t generation = it->second.generation;
    switch (pick(8)) {
      case 0:
        return end_one(id);
      case 1:
        return obey(core_->isolate(id, generation, EndKind::kHung, now_));
      case 2:
        return obey(core_->recycle(
            id, generation, pick(2) == 0 ? Fitness::kUnfit : Fitness::kWornOut, now_));
      case 3:
        return obey(core_->ready(id, generation - 1, now_));  // of an earlier incarnation
      case 4:
        return obey(core_->validated(id, generation, pick(4) != 0, now_));
      default:
        return obey(core_->ready(id, generation, now_));
    }
  }

  void end_one(ChildId id) {
    const Termination ends[] = {
        kSegfault, kKilled, kNormal, kFailed, kShutdownEnd, {EndKind::kOutOfMemory, SIGKILL}};
    const std::uint64_t generation = lives_.at(id).generation;
    lives_.erase(id);
    obey(core_->terminated(id, generation, ends[pick(6)], now_));
  }

  void obey(const Supervisor::Actions& actions) {
    for (const Action& action : actions) obey(action);
    check();
  }

  void obey(const Action& action) {
    BOOST_REQUIRE(!exited_);
    switch (action.kind) {
      case ActionKind::kStart:
        // A child runs at most once, and generations only grow.
        BOOST_REQUIRE(!lives_.contains(action.child));
        BOOST_REQUIRE(action.generation > generation_);
        BOOST_REQUIRE(!core_->stopping() || policy_.restarts_while_stopping);
        generation_ = action.generation;
        lives_[action.child] = {.generation = action.generation};
        return;
      case ActionKind::kDrain:
      case ActionKind::kTerminate:
      case ActionKind::kKill:
        check_life(action);
        return check_order(action.child);
      case ActionKind::kAdmit:
      case ActionKind::kValidate:
        return check_life(action);
      case ActionKind::kExit:
        BOOST_REQUIRE(lives_.empty());
        exited_ = true;
        return;
      case ActionKind::kReport:
        write_down(action);
        return count(*action.report);
      case ActionKind::kGiveUp:
        return;
    }
  }

  void check_life(const Action& action) {
    BOOST_REQUIRE(lives_.contains(action.child));
    BOOST_REQUIRE(lives_[action.child].generation == action.generation);
  }

  // In the end whoever is asked to stop is the last started of those that live. The pattern's
  // children stop all at once; and a hang is no question of turns.
  void check_order(ChildId id) {
    const bool asked_before = std::exchange(lives_.at(id).asked, true);
    const bool by_turn = ending_ && core_->find(id)->phase == Phase::kStopping;
    if (asked_before || !by_turn || policy_.strategy == Strategy::kSimpleOneForOne) return;
    BOOST_REQUIRE(lives_.rbegin()->first == id);
    ++turns_;
  }

  // No more than `intensity` failures of those that escalate are answered with a restart in any
  // period.
  void count(const Report& report) {
    const ChildState* child = core_->find(std::string_view(report.child));
    if (!report.backoff || !report.end || child == nullptr) return;
    const bool failure =
        report.event == ReportEvent::kStartError || report.event == ReportEvent::kChildTerminated;
    const bool outside = cause_of(*report.end) == Cause::kMemory ||
                         (report.end->kind == EndKind::kSignalled && report.end->code == SIGKILL);
    if (!failure || outside || child->spec.beyond != Beyond::kEscalate) return;
    restarts_.push_back(now_);
    const auto recent = std::ranges::count_if(
        restarts_, [&](TimePoint time) { return now_ - time <= policy_.period; });
    BOOST_REQUIRE(static_cast<std::uint32_t>(recent) <= policy_.intensity);
  }

  void write_down(const Action& action) {
    const RestartRecord record{.node = "node",
                               .supervisor = "root",
                               .kind = "process",
                               .report = *action.report,
                               .generation = action.generation,
                               .text = "a \"reason\""};
    replay_.add(record.to_line(policy_, now_));
  }

  // Replaying the log reproduces which_children.
  void check_replay() {
    std::set<std::string> known;
    for (const ChildView& view : core_->which_children()) {
      known.insert(view.name);
      const auto told = replay_.children("root").find(view.name);
      BOOST_REQUIRE((told != replay_.children("root").end()) == (view.generation != 0));
      if (view.generation == 0) continue;
      BOOST_REQUIRE((told->second.status == view.status));
      BOOST_REQUIRE(told->second.generation == view.generation);
    }
    for (const auto& [name, view] : replay_.children("root")) {
      BOOST_REQUIRE((view.status == ChildStatus::kUndefined || known.contains(name)));
    }
  }

  // The log goes on in another file.
  void rotate() {
    replay_ = RestartReplay();
    for (const Action& action : core_->standing()) write_down(action);
  }

  void check() {
    check_replay();
    if (pick(16) == 0) rotate();
    BOOST_REQUIRE(core_->children().size() <= policy_.children_max);
    std::size_t running = 0;
    for (const auto& [id, child] : core_->children()) {
      BOOST_REQUIRE(child.runs() == lives_.contains(id));
      BOOST_REQUIRE(!(child.runs() && child.restart_at));
      BOOST_REQUIRE(child.recent_failures.size() <= policy_.intensity + 1);
      running += child.runs() ? 1U : 0U;
    }
    BOOST_REQUIRE(running == lives_.size());
  }

  bool due_was_late(TimePoint wakeup) {
    obey(core_->tick(now_));
    return !core_->next_wakeup() || *core_->next_wakeup() > wakeup;
  }

  // A stop ends when everybody who is asked to end ends, in reverse order.
  void end() {
    ending_ = true;
    obey(core_->stop(now_));
    for (int round = 0; round < 200 && !exited_; ++round) {
      now_ += 10s;
      obey(core_->tick(now_));
      if (lives_.empty()) continue;
      // Whoever is being stopped ends; a restarted one whose turn has not come may live on.
      std::optional<ChildId> stopping;
      for (const auto& [id, child] : core_->children()) {
        if (child.phase == Phase::kStopping || child.phase == Phase::kIsolated) stopping = id;
      }
      BOOST_REQUIRE(stopping.has_value());
      const std::uint64_t generation = lives_.at(*stopping).generation;
      lives_.erase(*stopping);
      obey(core_->terminated(*stopping, generation, kShutdownEnd, now_));
    }
    BOOST_REQUIRE(exited_);
    BOOST_REQUIRE(!core_->next_wakeup().has_value());
  }

  std::mt19937 random_;
  SupervisorPolicy policy_;
  int named_ = 0;
  std::optional<Supervisor> core_;
  TimePoint now_{};
  std::map<ChildId, Life> lives_;
  std::vector<TimePoint> restarts_;
  RestartReplay replay_;
  std::uint64_t generation_ = kBase;
  bool exited_ = false;
  bool ending_ = false;  // only time passes and children end
  int turns_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(supervisor_random)

BOOST_AUTO_TEST_CASE(whatever_happens_in_whatever_order_the_promises_are_kept) {
  int turns = 0;
  for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) { turns += World(seed).run(); }
  }
  BOOST_TEST(turns > kSeeds);  // else the order of stopping was hardly tried
}

BOOST_AUTO_TEST_SUITE_END()
