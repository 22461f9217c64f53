// The configuration of a node: config/troupe.toml in memory. Command-line flags override single
// fields.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace troupe::config {

struct ModelConfig {
  std::filesystem::path file;  // model.file
  std::string alias;           // the name that clients use; empty: the file's name without .gguf
  std::filesystem::path chat_template;  // Jinja; empty: the model file's own
  std::string precision = "default";    // default, exact, q4, fp32
  std::string kv = "bf16";              // bf16, int8
  std::string device = "auto";          // auto, cpu; cuda[:N] is planned
  // auto, amx, avx512_bf16, avx512, avx512f, avx_vnni, avx2, scalar
  std::string cpu_backend = "auto";
  std::uint32_t context = 0;  // tokens of prompt + answer; 0: what the model was trained for
};

struct NodeSection {
  std::filesystem::path state = "state";  // effective.toml, lock, admin socket, ipc sockets
  std::filesystem::path logs = "logs";
  std::uint32_t workers = 1;
  std::uint32_t spare = 0;             // workers more that wait for the death of one
  std::uint32_t worker_memory_mb = 0;  // of its own, before it is replaced; 0: see troupe.toml
  std::uint32_t threads = 0;           // of each worker; 0: one a core
  std::chrono::milliseconds drain_timeout{};
};

// How root keeps its children, the front and the workers: one_for_one, each permanent.
struct SupervisionConfig {
  std::uint32_t intensity = 10;  // failures in `period` that are still borne
  std::chrono::milliseconds period{60'000};
  std::chrono::milliseconds backoff_first{};  // before the first restart of a child that failed …
  std::chrono::milliseconds backoff_max{};    // … and the longest, to which it doubles
};

struct GatewayConfig {
  std::string http = "127.0.0.1:8080";  // HOST:PORT
  std::string zmq = "tcp://127.0.0.1:5555";
  std::uint32_t client_credit = 0;
  std::chrono::milliseconds resume_grace{};
};

struct PreprocessConfig {
  std::uint32_t pool = 2;  // actors
};

struct DispatchConfig {
  std::uint32_t queued_max = 0;
};

struct BatchConfig {
  std::uint32_t sequences_max = 0;
  std::uint32_t step_tokens_max = 0;
  std::uint32_t step_ms_max = 0;    // of a step with running streams and prompts; 0: no target
  std::string prefix_cache = "on";  // on, off
  // 0: what sequences_max full contexts use and memory allows (apps/memory_plan.hpp)
  std::uint32_t kv_blocks = 0;
};

// One ZeroMQ endpoint for each edge of the pipeline: inproc:// within a process, ipc:// or tcp://
// between processes.
struct LinkConfig {
  std::string gateway_to_preprocess = "inproc://gateway-preprocess";
  std::string gateway_to_dispatch = "inproc://gateway-dispatch";
  std::string preprocess_to_dispatch = "inproc://preprocess-dispatch";
  std::string dispatch_to_worker;  // default: ipc://<state>/dispatch.ipc
  std::string batch_to_infer = "inproc://batch-infer";
  std::string infer_to_batch = "inproc://infer-batch";
  std::string dispatch_to_aggregate = "inproc://dispatch-aggregate";
  std::string aggregate_to_dispatch = "inproc://aggregate-dispatch";
  std::string aggregate_to_gateway = "inproc://aggregate-gateway";
};

// Faults that tests switch on. All off by default.
struct FaultConfig {
  std::uint32_t poison_token = 0;  // a worker dies computing a request that holds it; 0: none does
  std::uint32_t crash_at_start = 0;  // 1: every worker dies before it joins
  std::uint32_t nan_token = 0;  // a request that holds it computes no finite number; 0: none does
  std::uint32_t orders = 0;     // 1: processes obey what lies in STATE/NAME.order
  // Exceptions in stages.
  std::string throw_in;            // stages, with commas between: aggregate,dispatch
  std::string throw_at;            // core, journal, send: within the handler; empty: before it
  std::string throw_on;            // ReplyPlan, frame, tick, …; empty: at all kinds of message
  std::uint32_t throw_first = 0;   // 1: at the first of each kind in the node's life
  std::uint32_t throw_every = 0;   // at each so-manieth of a kind; 0: at none
  std::uint32_t throw_token = 0;   // throw_in throws over this token of an answer; 0: over none
  std::uint32_t throw_always = 0;  // 1: again when that message is handled once more
};

struct NodeConfig {
  NodeConfig();  // the defaults of limits.hpp

  NodeSection node;
  SupervisionConfig supervision;
  ModelConfig model;
  GatewayConfig gateway;
  PreprocessConfig preprocess;
  DispatchConfig dispatch;
  BatchConfig batch;
  LinkConfig links;
  FaultConfig faults;
};

// Reads a TOML file. Relative paths are taken from the file's folder and come out absolute. Throws
// UserError for a file that cannot be read, broken TOML (with line and column), an unknown key
// (with the nearest known one), a value of the wrong type, or one out of its range.
NodeConfig load_config(const std::filesystem::path& file);

// As load_config, from text; `folder` is where relative paths start and `name` what messages call
// it.
NodeConfig parse_config(std::string_view toml,
                        const std::filesystem::path& folder,
                        const std::string& name);

// Checks what flags may have changed, and fills what is derived (the ipc endpoint). Throws
// UserError.
void finish_config(NodeConfig& config);

// The whole configuration as TOML that load_config reads back to the same value.
std::string to_toml(const NodeConfig& config);

}  // namespace troupe::config
