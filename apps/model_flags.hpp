// The flags that every command shares which loads a model. They override single fields of a
// configuration.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "config/node_config.hpp"

namespace troupe::apps {

class ModelFlags {
 public:
  // The object must stay where it is until the command line is parsed.
  void add_to(CLI::App& command);

  // Writes what was given over `config`; relative paths start at the current folder. Throws
  // config::UserError naming the flag.
  void apply_to(config::NodeConfig& config) const;

 private:
  std::optional<std::string> model_;
  std::optional<std::string> precision_;
  std::optional<std::string> kv_;
  std::optional<std::string> device_;
  std::optional<std::string> cpu_backend_;
  std::optional<std::string> chat_template_;
  std::optional<std::string> alias_;
  std::optional<std::int64_t> threads_;
  std::optional<std::int64_t> context_;
};

// For commands that run the model in their own process: the defaults with the flags over them.
// Throws config::UserError, also when no model was named.
config::NodeConfig local_config(const ModelFlags& flags);

}  // namespace troupe::apps
