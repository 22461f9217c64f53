// Root ↔ its children, over the control channel: readiness, status, deaths of siblings, drain.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/message.hpp"

namespace troupe::messages {

// Child → root: it can do its work now. A worker waits for Admit before it joins a front.
struct ChildReady {
  std::string detail;  // for the operator: addresses, model, how long it took
  std::string answer;  // of a worker: NUMERICS_ID TOKEN:BITS …, computed from the known prompt

  TROUPE_MESSAGE(ChildReady, detail, answer)
};

// Root → worker: its answer to the known prompt was right; it may take traffic.
struct Admit {
  bool admitted = true;

  TROUPE_MESSAGE(Admit, admitted)
};

// Child → root while it starts: what a person waits for.
struct ChildProgress {
  std::string text;

  TROUPE_MESSAGE(ChildProgress, text)
};

// A stage of a process, an actor.
struct StageStatus {
  std::string name;      // aggregate, preprocess-0
  std::uint64_t id = 0;  // of the actor
  std::string state;     // starting, ready, ended
  std::uint64_t generation = 0;
  std::uint32_t restarts = 0;
  std::uint32_t waiting = 0;    // messages in its mailbox
  std::uint32_t in_flight = 0;  // requests that it works on; 0 where that means nothing
  std::string last_reason;      // why its incarnation before ended, or empty

  TROUPE_MESSAGE(
      StageStatus, name, id, state, generation, restarts, waiting, in_flight, last_reason)
};

// Child → root: what its supervisor did to one of its stages, for restart.log.
struct StageEvent {
  std::string child;  // the stage; empty: of the supervisor itself
  std::string line;   // of restart.log, whole

  TROUPE_MESSAGE(StageEvent, child, line)
};

// Front → root, every beat: what `troupe status` shows of the pipeline.
struct FrontStatus {
  std::uint64_t accepted = 0;
  std::uint64_t finished = 0;
  std::uint64_t refused = 0;
  std::uint32_t queued = 0;
  std::uint32_t running = 0;
  std::uint64_t generated_tokens = 0;
  bool ready = false;  // at least one worker takes work
  bool draining = false;
  std::string model;
  std::string http;  // HOST:PORT
  std::string zmq;   // endpoint
  std::string numerics_id;
  std::vector<StageStatus> stages;  // in the order of their start

  TROUPE_MESSAGE(FrontStatus,
                 accepted,
                 finished,
                 refused,
                 queued,
                 running,
                 generated_tokens,
                 ready,
                 draining,
                 model,
                 http,
                 zmq,
                 numerics_id,
                 stages)
};

// Dispatch → gateway, whenever it changes: whether new requests can be served.
struct NodeReadiness {
  bool ready = false;
  std::string
      numerics_id;  // of the worker that takes the next request; the API's system_fingerprint
  std::string why;  // not ready: what is wrong, for people; empty when nothing is known

  TROUPE_MESSAGE(NodeReadiness, ready, numerics_id, why)
};

// Root → front: a sibling died; what ran on it moves.
struct SiblingDown {
  std::string child;             // worker-0
  std::uint64_t generation = 0;  // the incarnation that died
  std::string reason;            // for people: killed by SIGKILL
  bool by_work = false;          // what it computed can have killed it (supervision::Cause::kWork)
  bool gone = false;             // it will not be started again: `reason` says why
  std::vector<std::uint64_t> in_step;  // what its last step computed, from its step record

  TROUPE_MESSAGE(SiblingDown, child, generation, reason, by_work, gone, in_step)
};

// Front → root: what became of the requests of a process that died, for restart.log.
struct WorksMoved {
  std::string child;             // worker-0; front: the one before this one
  std::uint64_t generation = 0;  // the incarnation that died; of the front: the one that tells
  std::uint64_t requeued = 0;    // go on elsewhere, or in the next incarnation
  std::uint64_t failed = 0;      // ended with an error because of this death

  TROUPE_MESSAGE(WorksMoved, child, generation, requeued, failed)
};

// Root → child: take no new work, finish what runs, then exit with 0.
struct Drain {
  std::uint32_t timeout_ms = 0;

  TROUPE_MESSAGE(Drain, timeout_ms)
};

}  // namespace troupe::messages
