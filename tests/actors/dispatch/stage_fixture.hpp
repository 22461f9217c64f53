// The dispatch stage in CAF's testing scheduler, between ports that only take notes.
#pragma once

#include <boost/test/unit_test.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "actors/dispatch/dispatch_actor.hpp"
#include "messages/type_ids.hpp"

namespace troupe::actors::dispatch {

using messages::Kind;
inline constexpr std::uint64_t kEpoch = 9;
inline constexpr std::uint64_t kToWorkers = 1;
inline constexpr std::uint64_t kToAggregate = 2;
inline const std::string kPeer = "a#1";

struct Sent {
  std::uint64_t socket = 0;
  std::string peer;
  std::string frame;

  Kind kind() const {
    messages::Header header;
    BOOST_REQUIRE(messages::read_header(frame, header).empty());
    return header.kind;
  }

  template <class Message>
  Message as() const {
    Message message;
    BOOST_REQUIRE_EQUAL(messages::decode(frame, message), "");
    return message;
  }
};

// Nothing of a token of this number can be handled.
inline constexpr std::int32_t kPoison = 666;

struct StageFixture {
  explicit StageFixture(std::vector<RestoredEntry> restored = {}, std::string throws_in = {})
      : place(std::move(throws_in)) {
    config.add_message_types<caf::id_block::troupe>();
    config.set("scheduler.policy", caf::atom("testing"));
    system = std::make_unique<caf::actor_system>(config);
    scheduler = dynamic_cast<caf::scheduler::test_coordinator*>(&system->scheduler());
    const auto notes = [](caf::event_based_actor*, std::vector<Sent>* to) -> caf::behavior {
      return {[to](std::uint64_t socket, const std::string& peer, const std::string& frame) {
                to->push_back({socket, peer, frame});
              },
              [](const messages::NodeReadiness&) {}};
    };
    port = system->spawn(notes, &sent);
    supervision::StageSpec spec = dispatch_stage(
        {.front_epoch = kEpoch,
         .queued_max = 8,
         .context_max = 100,
         .vocabulary_hash = "v",
         .local_workers = 1,
         .probe =
             [](const messages::TokenEvent& event) {
               if (event.token == kPoison) throw std::runtime_error("poison");
             }},
        {.to_workers = {port, kToWorkers, kEpoch},
         .to_aggregate = {port, kToAggregate, kEpoch},
         .gateway = port,
         .report = [this](const messages::FrontStatus& status) { reported = status; },
         .on_steps = [](const std::string&, const std::vector<messages::StepRecord>&) {},
         .places = {[this](std::string_view at) {
           if (at != place) return;
           place.clear();
           throw std::runtime_error("on purpose");
         }}},
        {.file = std::make_shared<LedgerFile>(std::as_writable_bytes(std::span(words)), 1 << 14),
         .restored = std::move(restored),
         .ended = {},
         .ended_kept = std::chrono::seconds(30)},
        metrics);
    spec.before = [this](const caf::type_erased_tuple&, bool) {
      if (throws > 0 && throws-- > 0) throw std::runtime_error("on purpose");
    };
    stage = supervision::spawn_stage(
        *system, std::move(spec), std::make_shared<supervision::StageTable>());
    start();
    hello();
  }

  ~StageFixture() {
    for (const caf::actor& actor : {stage, port}) {
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    }
    stage = port = nullptr;
    scheduler->run();
    scheduler->trigger_timeouts();
    scheduler->run();
  }

  // As its supervisor does at each start.
  void start() {
    caf::anon_send(stage, caf::reset_atom_v, ++generation);
    scheduler->run();
  }

  template <class... Parts>
  void send(Parts&&... parts) {
    caf::anon_send(stage, std::forward<Parts>(parts)...);
    scheduler->run();
  }

  void hello(std::uint64_t worker_generation = 1) {
    send("a#" + std::to_string(worker_generation),
         messages::WorkerHello{.worker = "a",
                               .generation = worker_generation,
                               .numerics_id = "n",
                               .vocabulary_hash = "v",
                               .sequences_max = 4,
                               .context_max = 100});
  }

  static messages::TokenizedRequest request(std::uint64_t id) {
    return {.request_id = id, .prompt_tokens = {1, 2}, .sampling = {.max_tokens = 8}};
  }

  static messages::TokenFrame frame_of(std::uint64_t id,
                                       std::uint32_t attempt,
                                       std::uint32_t position = 0) {
    messages::TokenFrame frame{.front_epoch = kEpoch, .worker_generation = 1};
    frame.events.push_back(
        {.request_id = id, .attempt = attempt, .position = position, .token = 5});
    return frame;
  }

  void token(std::uint64_t id, std::uint32_t position, std::uint32_t attempt) {
    send(kPeer, frame_of(id, attempt, position));
  }

  // A message throws at a place of its handler.
  template <class... Parts>
  void throw_at(const std::string& where, Parts&&... parts) {
    place = where;
    send(std::forward<Parts>(parts)...);
    BOOST_TEST(place.empty());
    start();
  }

  // A message throws: the incarnation ends, another one takes its place and handles it.
  template <class... Parts>
  void restart_at(Parts&&... parts) {
    throws = 1;
    send(std::forward<Parts>(parts)...);
    sent.clear();
    start();
  }

  template <class Message>
  std::vector<Message> all(std::uint64_t socket) const {
    std::vector<Message> found;
    for (const Sent& one : sent) {
      if (one.socket == socket && one.kind() == messages::kKindOf<Message>) {
        found.push_back(one.as<Message>());
      }
    }
    return found;
  }

  double metric(const std::string& name) const {
    const std::string page = metrics->expose();
    const auto at = page.find("\n" + name + " ");
    BOOST_REQUIRE(at != std::string::npos);
    return std::stod(page.substr(at + name.size() + 2));
  }

  void check_balance(double accepted, double cancelled) {
    send(caf::tick_atom_v);
    BOOST_TEST(metric("troupe_requests_conservation_error") == 0.0);
    BOOST_TEST(metric("troupe_requests_accepted_total") == accepted);
    BOOST_TEST(metric("troupe_requests_finished_total{reason=\"cancelled\"}") == cancelled);
    BOOST_TEST(metric("troupe_requests_finished_total{reason=\"error\"}") == 0.0);
    BOOST_TEST(static_cast<double>(reported.accepted) == accepted);
  }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  caf::scheduler::test_coordinator* scheduler = nullptr;
  std::vector<std::uint64_t> words = std::vector<std::uint64_t>(1 << 15);
  std::shared_ptr<observe::Metrics> metrics = std::make_shared<observe::Metrics>();
  std::vector<Sent> sent;
  messages::FrontStatus reported;
  caf::actor port;
  caf::actor stage;
  std::uint64_t generation = 0;
  int throws = 0;
  std::string place;  // where the next handler throws; empty: nowhere
};

}  // namespace troupe::actors::dispatch
