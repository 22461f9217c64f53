// Stages that throw, under their supervisor, in CAF's testing scheduler: one thread, virtual time.
#include <boost/test/unit_test.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "actors/supervision/restart_replay.hpp"
#include "actors/supervision/stage_cell_actor.hpp"
#include "actors/supervision/stage_supervisor_actor.hpp"

namespace troupe::actors::supervision {
namespace {

using std::string;
using Strings = std::vector<string>;

// A stage that notes what it handles, and throws at what `throws` counts down for.
struct Stage {
  // Handling takes a text, or a number that is answered with its double.
  Incarnation make(std::uint32_t lives) {
    if (failing_starts > 0 && failing_starts-- > 0) throw std::runtime_error("no start");
    seen.push_back("life " + std::to_string(lives));
    return {{[this](const string& text) { note(text); },
             [this](std::uint64_t number) {
               note(std::to_string(number));
               return number * 2;
             },
             [this](caf::tick_atom) { note("tick"); }},
            {[this](const string& text) {
              seen.push_back("gave up " + text);
              if (give_up_throws) throw std::runtime_error("that, too");
            }}};
  }

  void note(const string& text) {
    if (throws[text] > 0 && throws[text]-- > 0) throw std::runtime_error("at " + text);
    if (contained == text) throw Contained("in " + text);
    seen.push_back(text);
  }

  Strings seen;
  std::map<string, int> throws;
  string contained;
  int failing_starts = 0;
  bool give_up_throws = false;
};

struct Fixture {
  Fixture() {
    config.set("scheduler.policy", caf::atom("testing"));
    system = std::make_unique<caf::actor_system>(config);
    scheduler = dynamic_cast<caf::scheduler::test_coordinator*>(&system->scheduler());
    spec = {
        .name = "stage",
        .make = [this](caf::event_based_actor*, std::uint32_t lives) { return stage.make(lives); },
        .tick = {},
        .at_exit = {},
        .before = {}};
  }

  ~Fixture() {
    for (const caf::actor& actor : {supervisor, cell}) {
      if (actor) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    }
    supervisor = cell = nullptr;
    scheduler->run();
    scheduler->trigger_timeouts();
    scheduler->run();
  }

  void start(SupervisorPolicy policy = kStagePolicy) {
    cell = spawn_stage(*system, spec, table);
    supervisor = spawn_stage_supervisor(
        *system,
        {.name = "front",
         .node = "node",
         .policy = policy,
         .generation_base = 10,
         .table = table,
         .on_event =
             [this](const RestartRecord& record, const string& line) {
               records.push_back(record);
               replay.add(line);
             },
         .escalate = [this](const string& why) { escalations.push_back(why); }},
        {{.name = "stage", .actor = cell}});
    scheduler->run();
  }

  void send(std::initializer_list<const char*> texts) {
    for (const char* text : texts) caf::anon_send(cell, string(text));
    scheduler->run();
  }

  messages::StageStatus row() const { return table->rows().at(0); }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  caf::scheduler::test_coordinator* scheduler = nullptr;
  Stage stage;
  StageSpec spec;
  std::shared_ptr<StageTable> table = std::make_shared<StageTable>();
  caf::actor cell;
  caf::actor supervisor;
  std::vector<RestartRecord> records;
  RestartReplay replay;
  Strings escalations;
};

BOOST_FIXTURE_TEST_SUITE(stage_cell, Fixture)

BOOST_AUTO_TEST_CASE(what_comes_before_the_start_waits) {
  cell = spawn_stage(*system, spec, table);
  caf::anon_send(cell, string("early"));
  scheduler->run();
  BOOST_TEST(stage.seen.empty());
  BOOST_TEST(row().waiting == 1);
  caf::anon_send_exit(cell, caf::exit_reason::user_shutdown);
}

BOOST_AUTO_TEST_CASE(a_message_that_throws_once_is_handled_again_and_the_order_is_kept) {
  stage.throws["b"] = 1;
  start();
  send({"a", "b", "c", "d"});
  BOOST_TEST(stage.seen == (Strings{"life 0", "a", "life 1", "b", "c", "d"}),
             boost::test_tools::per_element());
  BOOST_TEST(escalations.empty());
  BOOST_TEST(row().waiting == 0);
  BOOST_TEST(row().restarts == 1);
  BOOST_TEST(row().state == "ready");
  BOOST_TEST(row().last_reason == "at b");
}

BOOST_AUTO_TEST_CASE(a_message_that_throws_twice_is_given_up_by_the_incarnation_after) {
  stage.throws["b"] = 100;
  start();
  send({"a", "b", "c"});
  BOOST_TEST(stage.seen == (Strings{"life 0", "a", "life 1", "life 2", "gave up b", "c"}),
             boost::test_tools::per_element());
  BOOST_TEST(row().restarts == 2);
  BOOST_TEST(row().waiting == 0);
}

BOOST_AUTO_TEST_CASE(a_message_that_cannot_even_be_given_up_is_dropped) {
  stage.throws["b"] = 100;
  stage.give_up_throws = true;
  start();
  send({"b", "c"});
  BOOST_TEST(stage.seen.back() == "c");
  BOOST_TEST(row().restarts == 2);
}

BOOST_AUTO_TEST_CASE(a_message_that_its_handler_has_done_with_is_not_handled_again) {
  stage.contained = "b";
  start();
  send({"b", "c"});
  BOOST_TEST(stage.seen == (Strings{"life 0", "life 1", "c"}), boost::test_tools::per_element());
  BOOST_TEST(row().waiting == 0);
  BOOST_TEST(row().last_reason == "in b");
}

BOOST_AUTO_TEST_CASE(an_incarnation_that_cannot_be_made_is_made_again) {
  stage.failing_starts = 3;
  start();
  send({"a"});
  // It is the first that was made.
  BOOST_TEST(stage.seen == (Strings{"life 0", "a"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_stage_whose_first_start_failed_has_its_tick) {
  spec.tick = std::chrono::milliseconds(100);
  stage.failing_starts = 1;
  start();
  scheduler->advance_time(std::chrono::milliseconds(100));
  scheduler->run();
  BOOST_TEST(std::ranges::count(stage.seen, "tick") == 2);
}

BOOST_AUTO_TEST_CASE(a_stage_that_fails_more_often_than_is_borne_escalates) {
  stage.failing_starts = 1000;
  start({.intensity = 5, .backoff_first = Milliseconds(0)});
  BOOST_TEST(escalations == Strings{"stage stage died: no start"},
             boost::test_tools::per_element());
  BOOST_TEST(stage.failing_starts == 1000 - 6);
  BOOST_TEST(row().state == "ended");
}

BOOST_AUTO_TEST_CASE(without_restarts_the_first_exception_escalates) {
  stage.throws["b"] = 1;
  start(kNoRestarts);
  send({"a", "b", "c"});
  BOOST_TEST(stage.seen == (Strings{"life 0", "a"}), boost::test_tools::per_element());
  BOOST_TEST(escalations == Strings{"stage stage died: at b"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_stage_whose_actor_is_killed_escalates_because_its_mailbox_is_gone) {
  start();
  caf::anon_send_exit(cell, caf::exit_reason::kill);
  scheduler->run();
  BOOST_REQUIRE(escalations.size() == 1);
  BOOST_TEST(escalations.front().starts_with("stage stage died: its actor ended"));
}

BOOST_AUTO_TEST_CASE(a_request_is_answered_though_its_handler_threw_first) {
  stage.throws["21"] = 1;
  start();
  std::uint64_t answer = 0;
  const auto asking = [](caf::event_based_actor* self, caf::actor whom, std::uint64_t* to) {
    self->request(whom, caf::infinite, std::uint64_t{21}).then([to](std::uint64_t got) {
      *to = got;
    });
  };
  system->spawn(asking, cell, &answer);
  scheduler->run();
  BOOST_TEST(answer == 42);
  BOOST_TEST(stage.seen == (Strings{"life 0", "life 1", "21"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(ticks_go_on_and_do_not_multiply_over_restarts) {
  spec.tick = std::chrono::milliseconds(100);
  stage.throws["tick"] = 2;
  stage.throws["a"] = 1;
  start();  // the first tick throws twice and is dropped
  send({"a"});
  for (int i = 0; i < 5; ++i) {
    scheduler->advance_time(std::chrono::milliseconds(100));
    scheduler->run();
  }
  BOOST_TEST(std::ranges::count(stage.seen, "tick") == 5);
  BOOST_TEST(row().restarts == 3);
}

BOOST_AUTO_TEST_CASE(a_fault_before_the_handler_costs_nothing) {
  int faults = 1;
  spec.before = [&faults](const caf::type_erased_tuple&, bool again) {
    if (!again && faults-- > 0) throw std::runtime_error("on purpose");
  };
  start();
  send({"a", "b"});
  BOOST_TEST(stage.seen == (Strings{"life 0", "life 1", "a", "b"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_log_tells_each_end_and_start_and_replays_to_who_runs) {
  stage.throws["b"] = 1;
  start();
  send({"b"});
  BOOST_REQUIRE(records.size() == 4);  // the supervisor, the start, the end, the restart
  BOOST_TEST(records[0].report.child.empty());
  BOOST_TEST((records[2].report.event == ReportEvent::kChildTerminated));
  BOOST_TEST(records[2].kind == "actor");
  BOOST_TEST(records[2].id == static_cast<std::int64_t>(cell.id()));
  BOOST_TEST(records[2].text == "at b");
  BOOST_TEST(code_of(*records[2].report.end) == "exception");
  BOOST_TEST(records[3].report.downtime.has_value());
  const ChildView& view = replay.children("front").at("stage");
  BOOST_TEST((view.status == ChildStatus::kRunning));
  BOOST_TEST(view.generation == 12);
  // The process that holds them dies: none runs.
  replay.add(R"({"supervisor":"root","child":"front","event":"child_terminated","generation":10})");
  BOOST_TEST(replay.children("front").empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::supervision
