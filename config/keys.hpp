// The table of configuration keys: the one list behind reading, unknown-key detection, checking and
// writing.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "config/node_config.hpp"

namespace troupe::config {

// A path; relative ones start at the configuration file's folder.
struct PathKey {
  std::filesystem::path& (*at)(NodeConfig&);
  bool may_be_empty = false;
};

struct TextKey {
  std::string& (*at)(NodeConfig&);
};

// HOST:PORT, port 0 for any free one.
struct AddressKey {
  std::string& (*at)(NodeConfig&);
};

// A ZeroMQ endpoint.
struct EndpointKey {
  std::string& (*at)(NodeConfig&);
  bool between_processes = false;  // inproc:// cannot reach the other side
  bool may_be_empty = false;       // finish_config derives it
};

// One of a closed set. `planned` names are part of the interface but do not work yet.
struct ChoiceKey {
  std::string& (*at)(NodeConfig&);
  std::span<const std::string_view> available;
  std::span<const std::string_view> planned;  // `cuda` stands for cuda:N as well
};

struct NumberKey {
  std::uint32_t& (*at)(NodeConfig&);
  std::uint32_t min = 0;
  std::uint32_t max = 0;
};

struct MillisecondsKey {
  std::chrono::milliseconds& (*at)(NodeConfig&);
  std::uint32_t min = 0;
  std::uint32_t max = 0;
};

using KeyKind =
    std::variant<PathKey, TextKey, AddressKey, EndpointKey, ChoiceKey, NumberKey, MillisecondsKey>;

struct Key {
  std::string_view section;
  std::string_view name;
  KeyKind kind;

  std::string full_name() const;  // section.name
};

// In the order in which they are written; keys of one section are neighbours.
std::span<const Key> all_keys();

const Key* find_key(std::string_view section, std::string_view name);

// The full name that is fewest edits away from `unknown` (with or without its section). Never
// empty.
std::string nearest_key(std::string_view unknown);

// A number as TOML has it. Returns what problem_of would where the field cannot even hold it;
// empty: it is set, and its range is checked with the rest.
std::string set_integer(const Key& key, NodeConfig& config, std::int64_t value);

// A text as TOML has it; relative paths, ipc:// paths included, start at `folder`.
void set_text(const Key& key,
              NodeConfig& config,
              const std::string& value,
              const std::filesystem::path& folder);

bool takes_integer(const Key& key);

// What is wrong with the key's value and what would be right, without the key's name; empty:
// nothing.
std::string problem_of(const Key& key, const NodeConfig& config);

// The value as a TOML literal.
std::string to_literal(const Key& key, const NodeConfig& config);

}  // namespace troupe::config
