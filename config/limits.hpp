// Every bound of the node in one place, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace troupe::config {

// --- What a client may send ---

// A prompt of 128k tokens is about 0.6 MB of text; JSON escapes can make it six times that.
inline constexpr std::size_t kBodyBytesMax = std::size_t{4} << 20;
// Browsers and proxies stop at 8–16 KiB of header lines.
inline constexpr std::size_t kHttpHeaderBytesMax = std::size_t{16} << 10;
// OpenAI's API takes at most 4 stop strings; vLLM any number. 16 keep the hold-back search short.
inline constexpr std::size_t kStopStringsMax = 16;
// Text that may still become a stop string is held back, so its length is latency.
inline constexpr std::size_t kStopStringBytesMax = 256;
// OpenAI's bound of top_logprobs.
inline constexpr std::int32_t kTopLogprobsMax = 20;
// Answers of one HTTP request (n × prompts): each takes a place in the queue.
inline constexpr std::uint32_t kAnswersMax = 16;
// OpenAI's bound of logit_bias entries is 300.
inline constexpr std::size_t kLogitBiasMax = 300;
// Turns of one conversation; the frame's array bound is far above.
inline constexpr std::size_t kChatTurnsMax = 4096;
// A tenant's name or a random key: kept with each first block of its cached prompts.
inline constexpr std::size_t kCacheSaltBytesMax = 256;
// A ZeroMQ client's own request id: kept in maps, echoed in every frame.
inline constexpr std::size_t kClientIdBytesMax = 128;

// --- What the node holds at once ---

// Accepted requests that wait for a worker's credit. Each costs its prompt and a map entry, under
// 100 KB at 8k tokens.
inline constexpr std::uint32_t kQueuedMaxDefault = 256;
// HTTP connections: a thread-less session costs about 20 KB.
inline constexpr std::uint32_t kConnectionsMax = 1024;
// Open requests of one ZeroMQ client, told it as credit.
inline constexpr std::uint32_t kClientCreditDefault = 64;
// Sequences in one forward pass: beyond it a CPU gains nothing per token.
inline constexpr std::uint32_t kSequencesMaxDefault = 64;
// Tokens in one forward pass: weights are read once for all of them, and what several hundred
// tokens of a small model leave between two layers still fits second caches of 2 MB.
inline constexpr std::uint32_t kStepTokensMaxDefault = 512;
// A step with running streams and prompts should end by then: at ten tokens a second an answer
// still comes faster than people read, and prompts are computed in pieces that are large enough for
// the tile unit.
inline constexpr std::uint32_t kStepMsMaxDefault = 100;
// The ledger's memory file, of which only what is used takes memory, in two halves. Above three
// quarters of a half new requests are refused: a full queue of the longest prompts does not fit.
inline constexpr std::size_t kLedgerBytes = std::size_t{512} << 20;
// A half is cleaned up when it holds so much: some ten seconds to minutes of tokens.
inline constexpr std::size_t kLedgerCleanBytes = std::size_t{8} << 20;
// Bytes waiting for one slow reader before it loses its request: a whole answer of 32k tokens fits.
inline constexpr std::size_t kReplyBytesMax = std::size_t{1} << 20;
// HTTP answers that have ended, kept for clients that may come back with their key: 64 of the
// longest that a reader may leave waiting, or tens of thousands of the usual ones. The oldest go
// first.
inline constexpr std::size_t kEndedBytesMax = std::size_t{64} << 20;
// Messages in a ZeroMQ pipe. Above every credit that is given (queue + cancels), so a full pipe is
// a fault.
inline constexpr int kLinkHighWaterMark = 8192;
// A frame on an internal link: a body of kBodyBytesMax and its wrapping.
inline constexpr std::size_t kFrameBytesMax = std::size_t{8} << 20;
// Steps that a worker remembers between two beats: five in a millisecond for a whole beat, which no
// model reaches. Beyond it performance.log and troupe_step_seconds lack steps.
inline constexpr std::size_t kStepRecordsMax = 1024;

// --- Time ---

// Worker → front and child → root. Root kills a child that hangs in its third silent beat, below
// the second in which users notice (actors/supervision/hang_detector.cpp); dispatch gives a worker
// up after fifteen, three seconds (actors/dispatch/dispatcher.hpp).
inline constexpr std::chrono::milliseconds kBeatInterval{200};
// A comment line in a silent SSE stream: proxies cut idle connections after 30–60 s.
inline constexpr std::chrono::milliseconds kSsePingInterval{10'000};
// An HTTP connection with no request, or a request that does not arrive.
inline constexpr std::chrono::milliseconds kHttpIdleTimeout{60'000};
// A client that lost its connection, or its front, can have the rest of its answer for so long.
inline constexpr std::chrono::milliseconds kResumeGraceDefault{30'000};
// After this a draining node stops what still runs.
inline constexpr std::chrono::milliseconds kDrainTimeoutDefault{30'000};
// Children get this long between SIGTERM and SIGKILL.
inline constexpr std::chrono::milliseconds kTerminateTimeout{2'000};
// First back-off after repeated deaths, and its ceiling (architecture.md, "Supervision").
inline constexpr std::chrono::milliseconds kBackoffFirst{50};
inline constexpr std::chrono::milliseconds kBackoffMax{10'000};
// Advice to a refused client is never longer than this (docs/protocol.md, "HTTP").
inline constexpr std::uint32_t kRetryAfterMsMax = 120'000;

// Root looks at its children's beats this often: a hang is found in its third silent beat. A look
// reads shared memory, so ten a second cost next to nothing.
inline constexpr std::chrono::milliseconds kLookInterval{100};
// Processor time in which a child that starts must get on by one part: a tensor packed, an
// operation of the known prompt, all that lies between two lines of its progress. A head of 152,000
// rows of 896 takes 2.7 s to pack, so one with rows of 8,192, as the largest models have, some 25;
// the checksum of packed weights reads some 8 GB in a second.
inline constexpr std::chrono::milliseconds kStartPatience{60'000};
// A forward pass that takes so long is a line in error.log, and no fault: its operations beat.
inline constexpr std::chrono::microseconds kSlowStep{10'000'000};
// Root reads how much memory its workers hold this often.
inline constexpr std::chrono::milliseconds kMemoryLookInterval{1'000};
// A worker that is over its memory limit so soon after it was ready, and has served nobody yet,
// will be so each time.
inline constexpr std::chrono::milliseconds kUnfitAfterReady{10'000};
// A worker that is ready has answered the known prompt already; root only compares.
inline constexpr std::chrono::milliseconds kValidationTimeout{10'000};

// An ipc:// path must fit sockaddr_un::sun_path (108 bytes with its final zero).
inline constexpr std::size_t kIpcPathBytesMax = 107;

}  // namespace troupe::config
