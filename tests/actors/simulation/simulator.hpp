// Front, workers, links, clients and root in virtual time, driven by one seed. Whatever dies and
// whenever, every accepted request must end once with the oracle's answer.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "actors/aggregate/aggregator.hpp"
#include "actors/dispatch/dispatch_restart.hpp"
#include "actors/dispatch/dispatcher.hpp"
#include "actors/dispatch/ledger_keeper.hpp"
#include "actors/link/frame_numbers.hpp"
#include "tests/actors/simulation/oracle.hpp"
#include "tests/actors/simulation/simulated_worker.hpp"

namespace troupe::tests {

struct SimulatorOptions {
  std::uint32_t seed = 1;
  actors::dispatch::Mutant mutant = actors::dispatch::Mutant::kNone;
  bool emit_before_journal = false;  // a mutant of the front's shell
  bool losses_unnoticed = false;     // one of the links
  bool first_losses_unnoticed = false;
  bool message_dropped_on_throw = false;  // of the stages: not handled once more
  bool replay_unfiltered = false;         // of the gateway: what comes again is passed on
  // Deaths that would not be missed: they mend what a mutant broke.
  bool fronts_live = false;
  bool stages_live = false;
  std::string only;  // looks away from faults that do not say so
};

// What the run did, so that a test can say that it did it.
struct Seen {
  std::uint64_t steps = 0;
  std::uint64_t requests = 0;
  std::uint64_t worker_deaths = 0;
  std::uint64_t poison_deaths = 0;
  std::uint64_t front_deaths = 0;
  std::uint64_t stage_restarts = 0;  // of aggregate and dispatch
  std::uint64_t thrown_midway = 0;   // of those, within a handler
  std::uint64_t cuts = 0;  // of those, between two frames of one input, or before it is emitted
  std::uint64_t hangs = 0;
  std::uint64_t reconnects = 0;
  std::uint64_t losses = 0;  // of a few messages, which nobody is told of
  std::uint64_t resumed = 0;
  std::uint64_t cancels = 0;
  std::uint64_t quarantined = 0;
  std::uint64_t deadlines = 0;      // that passed
  std::uint64_t calls = 0;          // of several answers
  std::uint64_t refused_calls = 0;  // answers of such, for which there was no room
};

inline constexpr std::uint32_t kSequences = 3;  // that a worker takes at once
inline constexpr std::chrono::milliseconds kEndedKept{500};

class Simulator {
 public:
  Simulator(const SimulatorOptions& options, std::shared_ptr<const model::Tokenizer> tokenizer);

  // Runs until everything has ended. Empty, or what went wrong and in which step.
  std::string run(Seen& seen);

 private:
  using Time = actors::dispatch::Time;

  struct Client {
    messages::TokenizedRequest request;
    OracleAnswer expected;
    std::string text;
    std::uint32_t tokens = 0;
    bool accepted = false;
    Time arrived{};  // at dispatch
    bool refused = false;
    bool cancelled = false;  // it asked for it
    bool cut = false;        // and got it, or its time was over
    bool poison = false;
    bool ended = false;
    std::uint32_t attempt = 0;  // the highest that a worker was given in this front's life
  };

  // What a worker sent.
  struct Sent {
    std::string peer;    // its routing id
    std::string number;  // as the link writes it
    ToFront message;
  };

  // A worker process, its connection, and what travels on it.
  struct Process {
    std::optional<SimulatedWorker> worker;  // none: dead
    bool hung = false;
    std::uint64_t generation = 0;
    actors::link::FrameNumbers numbers{actors::link::FirstNumber::kOne};  // of its worker's socket
    std::deque<std::pair<std::string, ToWorker>> to_worker;               // with their numbers
    std::deque<Sent> to_front;
    std::optional<Time> start_at;
  };

  struct Front {
    actors::link::FrameNumbers numbers{actors::link::FirstNumber::kAny};
    std::unique_ptr<actors::dispatch::Dispatcher> dispatcher;
    std::unique_ptr<actors::aggregate::Aggregator> aggregator;
    std::shared_ptr<actors::dispatch::LedgerFile> ledger;
    std::unique_ptr<actors::dispatch::LedgerKeeper> keeper;
    std::uint32_t lives = 0;  // of dispatch before this one
    actors::dispatch::Tally tally{nullptr};
    std::deque<messages::ReplyFinished> finished;  // aggregate → dispatch
    std::deque<messages::SiblingDown> from_root;
    std::deque<messages::TokenizedRequest> arriving;  // preprocess → dispatch
  };

  std::uint32_t roll(std::uint32_t sides) { return static_cast<std::uint32_t>(random_() % sides); }

  void act();
  void settle();
  void start_front();
  actors::dispatch::DispatcherOptions dispatcher_options() const;
  void check_promises();
  void restart_aggregate();
  void restart_dispatch(actors::dispatch::StageHandover handover);
  void handle(const std::function<actors::dispatch::Effects()>& input,
              std::optional<actors::dispatch::InHand> in_hand = {});
  void handle_request(const messages::TokenizedRequest& request);
  void throw_midway(const actors::dispatch::Effects& effects,
                    std::optional<actors::dispatch::InHand> in_hand);
  void tell_again(const actors::dispatch::RestoredRequest& one);
  void restore(const actors::dispatch::RestoredRequest& old,
               std::vector<actors::dispatch::KeptEnd>& ended);
  // Without `journal_whole` it dies while it writes down what it has just judged.
  void kill_front(bool journal_whole = true);
  void start_worker(Process& process);
  void kill_worker(Process& process, bool by_work);
  void reconnect(Process& process);
  void lose_messages(Process& process);
  void note_losses(const Sent& sent);
  void deliver_to_front(Process& process);
  void deliver_to_worker(Process& process);
  void deliver_inside();
  void step_worker(Process& process);
  void arrive();
  Client drawn_client(std::uint64_t id);
  void cancel_one();
  void tick();
  void perform(const actors::dispatch::Effects& effects);
  void journal(const actors::dispatch::Effects& effects);
  void cut_journal(std::size_t used);
  bool goes_out();
  void emit(const actors::dispatch::Effects& effects);
  void hand_over(const std::string& peer, const messages::WorkItem& item);
  void judge_order(const std::string& peer, const messages::WorkItem& item);
  void judge_deadlines();
  void judge_call(std::uint64_t request_id);
  bool is_late(const Client& client) const;
  void judge_token(const messages::TokenEvent& event);
  void take(const actors::aggregate::Replies& replies);
  void take_chunk(const messages::ReplyChunk& chunk);
  void judge_end(const messages::ReplyChunk& chunk, Client& client);
  void send(Process& process, std::vector<ToFront> messages);
  void send(const std::string& peer, ToWorker message);
  void check();
  void expect(bool held, const std::string& what);
  bool all_ended() const;

  SimulatorOptions options_;
  std::shared_ptr<const model::Tokenizer> tokenizer_;
  std::mt19937_64 random_;
  Time now_{1'000'000'000};
  std::uint64_t epoch_ = 100;
  std::vector<std::uint64_t> memory_;  // of the ledger file
  Front front_;
  std::vector<Process> processes_;
  std::map<std::uint64_t, Client> clients_;
  std::optional<actors::dispatch::Effects> unjournaled_;
  bool dies_soon_ = false;                   // the front, while it performs the next input
  std::optional<std::uint32_t> emits_left_;  // messages that it sends before
  bool throws_soon_ = false;                 // dispatch, while it handles the next input
  bool only_losses_ = false;                 // nothing dies, but links still lose
  bool calm_ = false;                        // nothing of that any more
  std::string fault_;
  Seen seen_;
};

}  // namespace troupe::tests
