#include "config/node_config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>

#include "config/keys.hpp"
#include "config/limits.hpp"
#include "config/toml_document.hpp"
#include "config/user_error.hpp"

namespace troupe::config {
namespace {

// A configuration is a few kilobytes; anything longer is another file given by mistake, perhaps a
// model.
constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

std::string read_text(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    throw UserError(file.string() + ": is a folder; --config wants a TOML file");
  }
  std::ifstream in(file, std::ios::binary);
  std::string text(kFileBytesMax + 1, '\0');
  if (!in) {
    throw UserError(file.string() + ": cannot read the configuration: " + std::strerror(errno));
  }
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kFileBytesMax) {
    throw UserError(file.string() + ": is longer than 1 MiB; --config wants a TOML file");
  }
  return text;
}

// A name from the file in a message that must stay one line.
std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  text.resize(std::min<std::size_t>(text.size(), 120));
  return text;
}

[[noreturn]] void refuse(const std::string& place, const std::string& what) {
  throw UserError(place + what);
}

void apply(const TomlEntry& entry,
           const std::filesystem::path& folder,
           const std::string& place,
           NodeConfig& config) {
  const Key* key = find_key(entry.section, entry.name);
  if (key == nullptr) {
    refuse(place,
           "unknown key " + one_line(entry.full_name()) + "; the nearest is " +
               nearest_key(entry.full_name()));
  }
  const auto* text = std::get_if<std::string>(&entry.value);
  const auto* integer = std::get_if<std::int64_t>(&entry.value);
  if (takes_integer(*key) ? integer == nullptr : text == nullptr) {
    refuse(place,
           key->full_name() + " must be " + (takes_integer(*key) ? "an integer" : "a text") +
               ", found " + entry.type);
  }
  if (integer != nullptr) {
    const std::string problem = set_integer(*key, config, *integer);
    if (!problem.empty()) refuse(place, key->full_name() + " " + problem);
  }
  if (text != nullptr) set_text(*key, config, *text, folder);
  if (const std::string problem = problem_of(*key, config); !problem.empty()) {
    refuse(place, key->full_name() + " " + problem);
  }
}

// A section without keys is right only if it is one of ours.
bool is_empty_known_section(const TomlEntry& entry) {
  if (!entry.name.empty()) return false;
  for (const Key& key : all_keys()) {
    if (key.section == entry.section) return true;
  }
  return false;
}

// Two edges on one endpoint would deliver frames to the wrong stage.
void check_links_differ(const NodeConfig& config) {
  std::map<std::string, std::string> owners;
  for (const Key& key : all_keys()) {
    if (!std::holds_alternative<EndpointKey>(key.kind)) continue;
    const auto [owner, fresh] = owners.emplace(to_literal(key, config), key.full_name());
    if (!fresh) {
      refuse(key.full_name(),
             " and " + owner->second + " are both " + owner->first +
                 "; each needs an endpoint of its own");
    }
  }
}

void check_admin_socket(const NodeConfig& config) {
  const std::string socket = (config.node.state / "admin.sock").string();
  if (socket.size() <= kIpcPathBytesMax) return;
  refuse("node.state",
         " makes the socket path " + socket + " longer than " + std::to_string(kIpcPathBytesMax) +
             " bytes; choose a shorter folder (--state)");
}

}  // namespace

NodeConfig::NodeConfig() {
  node.drain_timeout = kDrainTimeoutDefault;
  supervision.backoff_first = kBackoffFirst;
  supervision.backoff_max = kBackoffMax;
  gateway.client_credit = kClientCreditDefault;
  gateway.resume_grace = kResumeGraceDefault;
  dispatch.queued_max = kQueuedMaxDefault;
  batch.sequences_max = kSequencesMaxDefault;
  batch.step_tokens_max = kStepTokensMaxDefault;
  batch.step_ms_max = kStepMsMaxDefault;
}

NodeConfig parse_config(std::string_view toml,
                        const std::filesystem::path& folder,
                        const std::string& name) {
  NodeConfig config;
  const std::filesystem::path base = std::filesystem::absolute(folder);
  for (const Key& key : all_keys()) {
    // The defaults' relative paths start at the folder like written ones.
    if (const auto* path = std::get_if<PathKey>(&key.kind)) {
      set_text(key, config, path->at(config).string(), base);
    }
  }
  for (const TomlEntry& entry : read_toml(toml, name)) {
    if (is_empty_known_section(entry)) continue;
    apply(entry, base, name + ":" + std::to_string(entry.line) + ": ", config);
  }
  return config;
}

NodeConfig load_config(const std::filesystem::path& file) {
  const std::filesystem::path absolute = std::filesystem::absolute(file);
  return parse_config(read_text(absolute), absolute.parent_path(), file.string());
}

void finish_config(NodeConfig& config) {
  if (config.links.dispatch_to_worker.empty()) {
    config.links.dispatch_to_worker = "ipc://" + (config.node.state / "dispatch.ipc").string();
  }
  check_admin_socket(config);
  for (const Key& key : all_keys()) {
    const std::string problem = problem_of(key, config);
    if (!problem.empty()) refuse(key.full_name(), " " + problem);
  }
  check_links_differ(config);
  if (config.supervision.backoff_max < config.supervision.backoff_first) {
    refuse("supervision.backoff_max_ms",
           " (" + std::to_string(config.supervision.backoff_max.count()) +
               ") must be at least supervision.backoff_first_ms (" +
               std::to_string(config.supervision.backoff_first.count()) +
               "), from which it doubles");
  }
  if (config.batch.step_tokens_max < config.batch.sequences_max) {
    refuse("batch.step_tokens_max",
           " (" + std::to_string(config.batch.step_tokens_max) +
               ") must be at least batch.sequences_max (" +
               std::to_string(config.batch.sequences_max) +
               "): a step decodes one token of each sequence");
  }
}

std::string to_toml(const NodeConfig& config) {
  std::string text;
  std::string_view section;
  for (const Key& key : all_keys()) {
    if (key.section != section) {
      section = key.section;
      text += (text.empty() ? "[" : "\n[") + std::string(section) + "]\n";
    }
    text += std::string(key.name) + " = " + to_literal(key, config) + "\n";
  }
  return text;
}

}  // namespace troupe::config
