// A stage as an actor whose address and mailbox outlive its incarnations: an exception in a handler
// ends an incarnation, not the actor (docs/decisions/0017-stages-restart.md).
#pragma once

#include <caf/all.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "actors/supervision/stage_table.hpp"

namespace troupe::actors::supervision {

// One life of a stage. Its handlers own its state, and take what they get by value or const&: a
// message that threw is handled once more.
struct Incarnation {
  caf::behavior handlers;
  // For messages that threw twice: each handler ends with an error what its message concerns.
  // Messages without a handler here are dropped.
  caf::behavior give_up;
};

// Places within handlers where a test may have them throw: "core", when the stage's core has
// changed; "journal", when the ledger is written; "send", beside each message that goes out.
struct StagePlaces {
  std::function<void(std::string_view place)> probe;  // may throw; may be empty

  void at(std::string_view place) const {
    if (probe) probe(place);
  }
};

struct StageSpec {
  std::string name;
  // Makes an incarnation. `lives`: how many were made before. May throw: then it is called again
  // with the same `lives`, and should find what it found at first.
  std::function<Incarnation(caf::event_based_actor* self, std::uint32_t lives)> make;
  // Its handlers get tick_atom at its start and after each such time; 0: never. While the stage is
  // suspended the tick waits, as other messages do.
  std::chrono::milliseconds tick{};
  std::function<void()> at_exit;  // may be empty; called when an exit message ends the actor
  // Called before each message is handled, for faults on purpose: it may throw. May be empty.
  // `again`: it threw before.
  std::function<void(const caf::type_erased_tuple& message, bool again)> before;
};

// Thrown by a handler that has already ended what its message concerned: the stage restarts, and
// the message is not handled again.
class Contained : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Keeps all messages until its supervisor says `reset_atom, generation`, which it answers with
// `ok_atom, generation, when`, or with `close_atom, generation, when, why` when an incarnation
// cannot be made (`when`: steady clock, nanoseconds).
// The same is said of one that a handler's exception ended; then all messages are kept in their
// order again, that one first.
caf::actor spawn_stage(caf::actor_system& system,
                       StageSpec spec,
                       std::shared_ptr<StageTable> table);

// As spawn_stage, on a thread of its own.
caf::actor spawn_detached_stage(caf::actor_system& system,
                                StageSpec spec,
                                std::shared_ptr<StageTable> table);

}  // namespace troupe::actors::supervision
