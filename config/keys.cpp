#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "config/limits.hpp"

namespace troupe::config {
namespace {

using std::string_view;

constexpr std::array<string_view, 4> kPrecisions{"default", "q4", "exact", "fp32"};
constexpr std::array<string_view, 0> kPrecisionsPlanned{};
constexpr std::array<string_view, 2> kKvTypes{"bf16", "int8"};
constexpr std::array<string_view, 0> kKvTypesPlanned{};
constexpr std::array<string_view, 2> kDevices{"auto", "cpu"};
constexpr std::array<string_view, 1> kDevicesPlanned{"cuda"};
constexpr std::array<string_view, 8> kCpuBackends{
    "auto", "amx", "avx512_bf16", "avx512", "avx512f", "avx_vnni", "avx2", "scalar"};
constexpr std::array<string_view, 0> kCpuBackendsPlanned{};
constexpr std::array<string_view, 2> kSwitch{"on", "off"};
constexpr std::array<string_view, 0> kNothingPlanned{};

// A process each; more than this on one machine is a typing error.
constexpr std::uint32_t kWorkersMax = 64;
constexpr std::uint32_t kThreadsMax = 1024;
// An hour: longer drains are waited for by hand.
constexpr std::uint32_t kDrainTimeoutMsMax = 3'600'000;
// Beyond so many failures nobody believes in the next start.
constexpr std::uint32_t kIntensityMax = 1000;
// An hour: failures that far apart have nothing to do with each other.
constexpr std::uint32_t kPeriodMsMax = 3'600'000;
// Ten minutes: a child that is wanted at all is wanted sooner.
constexpr std::uint32_t kBackoffMsMax = 600'000;
// Queued requests and their cancels must fit a link (kLinkHighWaterMark).
constexpr std::uint32_t kQueuedMax = static_cast<std::uint32_t>(kLinkHighWaterMark) / 2;
// Longest context of a published model, in tokens.
constexpr std::uint32_t kContextMax = 1U << 20;
constexpr std::uint32_t kPoolMax = 64;
constexpr std::uint32_t kSequencesMax = 1024;
// One step of more tokens than this would stall every stream for seconds.
constexpr std::uint32_t kStepTokensMax = 16'384;
// A minute: streams that wait longer have timed out somewhere.
constexpr std::uint32_t kStepMsMax = 60'000;
constexpr std::uint32_t kKvBlocksMax = 1U << 24;
constexpr std::uint32_t kTokenMax = 1U << 30;

#define AT(type, member) [](NodeConfig& config) -> type& { return config.member; }

const std::array kKeys{
    Key{"node", "state", PathKey{AT(std::filesystem::path, node.state)}},
    Key{"node", "logs", PathKey{AT(std::filesystem::path, node.logs)}},
    Key{"node", "workers", NumberKey{AT(std::uint32_t, node.workers), 1, kWorkersMax}},
    Key{"node", "spare", NumberKey{AT(std::uint32_t, node.spare), 0, kWorkersMax}},
    Key{"node",
        "worker_memory_mb",
        NumberKey{AT(std::uint32_t, node.worker_memory_mb), 0, std::int64_t{1} << 24U}},
    Key{"node", "threads", NumberKey{AT(std::uint32_t, node.threads), 0, kThreadsMax}},
    Key{"node",
        "drain_timeout_ms",
        MillisecondsKey{AT(std::chrono::milliseconds, node.drain_timeout), 0, kDrainTimeoutMsMax}},
    Key{"supervision",
        "intensity",
        NumberKey{AT(std::uint32_t, supervision.intensity), 0, kIntensityMax}},
    Key{"supervision",
        "period_ms",
        MillisecondsKey{AT(std::chrono::milliseconds, supervision.period), 1, kPeriodMsMax}},
    Key{"supervision",
        "backoff_first_ms",
        MillisecondsKey{
            AT(std::chrono::milliseconds, supervision.backoff_first), 1, kBackoffMsMax}},
    Key{"supervision",
        "backoff_max_ms",
        MillisecondsKey{AT(std::chrono::milliseconds, supervision.backoff_max), 1, kBackoffMsMax}},
    Key{"model", "file", PathKey{AT(std::filesystem::path, model.file), true}},
    Key{"model", "alias", TextKey{AT(std::string, model.alias)}},
    Key{"model", "chat_template", PathKey{AT(std::filesystem::path, model.chat_template), true}},
    Key{"model",
        "precision",
        ChoiceKey{AT(std::string, model.precision), kPrecisions, kPrecisionsPlanned}},
    Key{"model", "kv", ChoiceKey{AT(std::string, model.kv), kKvTypes, kKvTypesPlanned}},
    Key{"model", "device", ChoiceKey{AT(std::string, model.device), kDevices, kDevicesPlanned}},
    Key{"model",
        "cpu_backend",
        ChoiceKey{AT(std::string, model.cpu_backend), kCpuBackends, kCpuBackendsPlanned}},
    Key{"model", "context", NumberKey{AT(std::uint32_t, model.context), 0, kContextMax}},
    Key{"gateway", "http", AddressKey{AT(std::string, gateway.http)}},
    Key{"gateway", "zmq", EndpointKey{AT(std::string, gateway.zmq), true}},
    Key{"gateway",
        "client_credit",
        NumberKey{AT(std::uint32_t, gateway.client_credit), 1, kQueuedMax}},
    Key{"gateway",
        "resume_grace_ms",
        MillisecondsKey{
            AT(std::chrono::milliseconds, gateway.resume_grace), 0, kDrainTimeoutMsMax}},
    Key{"preprocess", "pool", NumberKey{AT(std::uint32_t, preprocess.pool), 1, kPoolMax}},
    Key{"dispatch", "queued_max", NumberKey{AT(std::uint32_t, dispatch.queued_max), 1, kQueuedMax}},
    Key{"batch",
        "sequences_max",
        NumberKey{AT(std::uint32_t, batch.sequences_max), 1, kSequencesMax}},
    Key{"batch",
        "step_tokens_max",
        NumberKey{AT(std::uint32_t, batch.step_tokens_max), 1, kStepTokensMax}},
    Key{"batch", "step_ms_max", NumberKey{AT(std::uint32_t, batch.step_ms_max), 0, kStepMsMax}},
    Key{"batch",
        "prefix_cache",
        ChoiceKey{AT(std::string, batch.prefix_cache), kSwitch, kNothingPlanned}},
    Key{"batch", "kv_blocks", NumberKey{AT(std::uint32_t, batch.kv_blocks), 0, kKvBlocksMax}},
    Key{"links",
        "gateway_to_preprocess",
        EndpointKey{AT(std::string, links.gateway_to_preprocess)}},
    Key{"links", "gateway_to_dispatch", EndpointKey{AT(std::string, links.gateway_to_dispatch)}},
    Key{"links",
        "preprocess_to_dispatch",
        EndpointKey{AT(std::string, links.preprocess_to_dispatch)}},
    Key{"links",
        "dispatch_to_worker",
        EndpointKey{AT(std::string, links.dispatch_to_worker), true, true}},
    Key{"links", "batch_to_infer", EndpointKey{AT(std::string, links.batch_to_infer)}},
    Key{"links", "infer_to_batch", EndpointKey{AT(std::string, links.infer_to_batch)}},
    Key{"links",
        "dispatch_to_aggregate",
        EndpointKey{AT(std::string, links.dispatch_to_aggregate)}},
    Key{"links",
        "aggregate_to_dispatch",
        EndpointKey{AT(std::string, links.aggregate_to_dispatch)}},
    Key{"links", "aggregate_to_gateway", EndpointKey{AT(std::string, links.aggregate_to_gateway)}},
    Key{"faults", "poison_token", NumberKey{AT(std::uint32_t, faults.poison_token), 0, kTokenMax}},
    Key{"faults", "crash_at_start", NumberKey{AT(std::uint32_t, faults.crash_at_start), 0, 1}},
    Key{"faults", "nan_token", NumberKey{AT(std::uint32_t, faults.nan_token), 0, kTokenMax}},
    Key{"faults", "orders", NumberKey{AT(std::uint32_t, faults.orders), 0, 1}},
    Key{"faults", "throw_in", TextKey{AT(std::string, faults.throw_in)}},
    Key{"faults", "throw_at", TextKey{AT(std::string, faults.throw_at)}},
    Key{"faults", "throw_on", TextKey{AT(std::string, faults.throw_on)}},
    Key{"faults", "throw_first", NumberKey{AT(std::uint32_t, faults.throw_first), 0, 1}},
    Key{"faults", "throw_every", NumberKey{AT(std::uint32_t, faults.throw_every), 0, kTokenMax}},
    Key{"faults", "throw_token", NumberKey{AT(std::uint32_t, faults.throw_token), 0, kTokenMax}},
    Key{"faults", "throw_always", NumberKey{AT(std::uint32_t, faults.throw_always), 0, 1}},
};

#undef AT

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

// C++20 deduces it without, which clang 14 does not know yet.
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

// Levenshtein's distance, one row at a time.
std::size_t edits_between(string_view left, string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < right.size(); ++j) {
      const std::size_t replaced = diagonal + (left[i] == right[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

std::string joined(std::span<const string_view> names) {
  std::string text;
  for (const string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

bool contains(std::span<const string_view> names, string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// A text from outside inside a one-line message: short and without control characters.
std::string in_quotes(string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 120)) out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  return out + (text.size() > 120 ? "…\"" : "\"");
}

std::string problem_of_choice(const ChoiceKey& key, const std::string& value) {
  if (contains(key.available, value)) return {};
  if (contains(key.planned, string_view(value).substr(0, value.find(':')))) {
    return in_quotes(value) + " is not available yet; available: " + joined(key.available);
  }
  return "must be one of " + joined(key.available) + ", not " + in_quotes(value);
}

std::string problem_of_address(const std::string& value) {
  const std::size_t colon = value.rfind(':');
  std::uint32_t port = 0;
  const char* const end = value.data() + value.size();
  const char* const digits = colon == std::string::npos ? end : value.data() + colon + 1;
  const auto [last, error] = std::from_chars(digits, end, port);
  const bool right = colon != 0 && digits != end && error == std::errc{} && last == end &&
                     port <= std::numeric_limits<std::uint16_t>::max();
  return right ? "" : "must be HOST:PORT like 127.0.0.1:8080, not " + in_quotes(value);
}

std::string problem_of_ipc_path(string_view path) {
  if (path.empty()) return "names no path after ipc://";
  if (path.size() <= kIpcPathBytesMax) return {};
  return "has a socket path of " + std::to_string(path.size()) + " bytes (" + in_quotes(path) +
         ") and the system allows " + std::to_string(kIpcPathBytesMax) +
         "; choose a shorter path, for instance a shorter node.state (--state)";
}

std::string problem_of_endpoint(const EndpointKey& key, string_view value) {
  constexpr string_view kIpc = "ipc://";
  if (value.empty() && key.may_be_empty) return {};
  if (value.starts_with(kIpc)) return problem_of_ipc_path(value.substr(kIpc.size()));
  if (value.starts_with("tcp://") && value.find(':', 6) != string_view::npos) return {};
  if (!key.between_processes && value.starts_with("inproc://") && value.size() > 9) return {};
  return (key.between_processes ? "must begin with tcp:// (tcp://HOST:PORT) or ipc://, not "
                                : "must begin with inproc://, ipc:// or tcp://, not ") +
         in_quotes(value);
}

std::string problem_of_range(std::int64_t value, std::uint32_t min, std::uint32_t max) {
  if (value >= min && value <= max) return {};
  return "must be " + std::to_string(min) + " … " + std::to_string(max) + ", not " +
         std::to_string(value);
}

// TOML basic strings: https://toml.io/en/v1.0.0#string
std::string toml_text(string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      constexpr string_view kHex = "0123456789ABCDEF";
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  return out + '"';
}

// A key's `at` serves writers, so it wants a mutable configuration; who only reads through it may
// pass a constant one.
NodeConfig& readable(const NodeConfig& config) { return const_cast<NodeConfig&>(config); }

}  // namespace

std::string Key::full_name() const { return std::string(section) + "." + std::string(name); }

std::span<const Key> all_keys() { return kKeys; }

const Key* find_key(string_view section, string_view name) {
  const auto key = std::ranges::find_if(kKeys, [&](const Key& candidate) {
    return candidate.section == section && candidate.name == name;
  });
  return key == kKeys.end() ? nullptr : &*key;
}

std::string nearest_key(string_view unknown) {
  const Key* nearest = &kKeys.front();
  std::size_t edits = std::numeric_limits<std::size_t>::max();
  for (const Key& key : kKeys) {
    const std::size_t distance =
        std::min(edits_between(unknown, key.full_name()), edits_between(unknown, key.name));
    if (distance < edits) {
      edits = distance;
      nearest = &key;
    }
  }
  return nearest->full_name();
}

bool takes_integer(const Key& key) {
  return std::holds_alternative<NumberKey>(key.kind) ||
         std::holds_alternative<MillisecondsKey>(key.kind);
}

std::string set_integer(const Key& key, NodeConfig& config, std::int64_t value) {
  if (const auto* kind = std::get_if<NumberKey>(&key.kind)) {
    const bool fits = value >= 0 && value <= std::numeric_limits<std::uint32_t>::max();
    if (!fits) return problem_of_range(value, kind->min, kind->max);
    kind->at(config) = static_cast<std::uint32_t>(value);
  }
  if (const auto* kind = std::get_if<MillisecondsKey>(&key.kind)) {
    kind->at(config) = std::chrono::milliseconds(value);
  }
  return {};
}

void set_text(const Key& key,
              NodeConfig& config,
              const std::string& value,
              const std::filesystem::path& folder) {
  const auto absolute = [&](const std::string& path) {
    return path.empty() ? std::filesystem::path() : (folder / path).lexically_normal();
  };
  const auto set_endpoint = [&](const EndpointKey& kind) {
    // ipc://@name is Linux' abstract namespace, not a file.
    const bool file = value.starts_with("ipc://") && !value.starts_with("ipc://@");
    kind.at(config) = file ? "ipc://" + absolute(value.substr(6)).string() : value;
  };
  std::visit(Overloaded{[&](const PathKey& kind) { kind.at(config) = absolute(value); },
                        [&](const EndpointKey& kind) { set_endpoint(kind); },
                        [&](const TextKey& kind) { kind.at(config) = value; },
                        [&](const AddressKey& kind) { kind.at(config) = value; },
                        [&](const ChoiceKey& kind) { kind.at(config) = value; },
                        [](const auto&) {}},
             key.kind);
}

std::string problem_of(const Key& key, const NodeConfig& constant) {
  NodeConfig& config = readable(constant);
  return std::visit(
      Overloaded{
          [&](const PathKey& kind) -> std::string {
            return kind.at(config).empty() && !kind.may_be_empty ? "must not be empty" : "";
          },
          [&](const TextKey&) -> std::string { return {}; },
          [&](const AddressKey& kind) { return problem_of_address(kind.at(config)); },
          [&](const EndpointKey& kind) { return problem_of_endpoint(kind, kind.at(config)); },
          [&](const ChoiceKey& kind) { return problem_of_choice(kind, kind.at(config)); },
          [&](const NumberKey& kind) {
            return problem_of_range(kind.at(config), kind.min, kind.max);
          },
          [&](const MillisecondsKey& kind) {
            return problem_of_range(kind.at(config).count(), kind.min, kind.max);
          }},
      key.kind);
}

std::string to_literal(const Key& key, const NodeConfig& constant) {
  NodeConfig& config = readable(constant);
  return std::visit(
      Overloaded{
          [&](const NumberKey& kind) { return std::to_string(kind.at(config)); },
          [&](const MillisecondsKey& kind) { return std::to_string(kind.at(config).count()); },
          [&](const PathKey& kind) { return toml_text(kind.at(config).string()); },
          [&](const auto& kind) { return toml_text(kind.at(config)); }},
      key.kind);
}

}  // namespace troupe::config
