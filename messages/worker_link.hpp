// Worker ↔ dispatch, beside work and tokens: introduction, heartbeat, and the return of credits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/message.hpp"
#include "messages/step_record.hpp"

namespace troupe::messages {

// Worker → dispatch: first message on a connection, repeated until a welcome answers it.
struct WorkerHello {
  std::string worker;               // name: worker-0
  std::uint64_t generation = 0;     // of this incarnation; higher than every earlier one's
  std::string numerics_id;          // what decides the bits of its answers
  std::string vocabulary_hash;      // of the tokens in order: must equal the front's
  std::uint32_t sequences_max = 0;  // credits: work items it holds at once
  std::uint32_t context_max = 0;    // tokens of prompt + answer
  std::uint64_t beginning = 0;      // how often it has started over; with each it holds nothing
  std::string unreadable;           // why, when it could not read what it got; else empty

  TROUPE_MESSAGE(WorkerHello,
                 worker,
                 generation,
                 numerics_id,
                 vocabulary_hash,
                 sequences_max,
                 context_max,
                 beginning,
                 unreadable)
};

// Dispatch → worker, as the answer to hello and to each beat, so that a message that was lost
// before it shows. A new epoch means a new front: work of older epochs is dropped.
struct WorkerWelcome {
  std::uint64_t front_epoch = 0;
  std::string refused;     // why the worker gets no work, or empty
  bool introduce = false;  // the front does not know the worker (any more): it must say hello again
  std::uint64_t admission = 0;  // counts at this front: in another one nothing of before is valid
  std::uint64_t beginning = 0;  // of the hello that it answers

  TROUPE_MESSAGE(WorkerWelcome, front_epoch, refused, introduce, admission, beginning)
};

// Worker → dispatch, every beat: proof that the compute loop lives.
struct WorkerBeat {
  std::uint64_t worker_generation = 0;
  std::uint64_t step = 0;              // forward passes since start
  std::vector<StepRecord> steps;       // since the beat before; at most config::kStepRecordsMax
  std::uint32_t running = 0;           // sequences that hold blocks
  std::uint32_t waiting = 0;           // work items that do not
  std::uint32_t kv_blocks_used = 0;    // by sequences
  std::uint32_t kv_blocks_cached = 0;  // by nobody, but kept for prompts that begin alike
  std::uint32_t kv_blocks_free = 0;
  std::uint64_t preemptions = 0;  // since start
  std::uint64_t nonfinite = 0;    // since start
  std::uint64_t hit_tokens = 0;   // since start, that the prefix cache saved from being computed

  TROUPE_MESSAGE(WorkerBeat,
                 worker_generation,
                 step,
                 steps,
                 running,
                 waiting,
                 kv_blocks_used,
                 kv_blocks_cached,
                 kv_blocks_free,
                 preemptions,
                 nonfinite,
                 hit_tokens)
};

// An attempt that a worker has let go of.
struct ReleasedWork {
  std::uint64_t request_id = 0;
  std::uint32_t attempt = 0;

  TROUPE_MESSAGE(ReleasedWork, request_id, attempt)
};

// Batch → dispatch: these hold nothing on the worker any more; each gives one credit back.
struct Released {
  std::uint64_t front_epoch = 0;
  std::uint64_t worker_generation = 0;
  std::vector<ReleasedWork> works;

  TROUPE_MESSAGE(Released, front_epoch, worker_generation, works)
};

}  // namespace troupe::messages
