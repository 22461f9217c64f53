// The command line's side of a node's admin socket.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "actors/supervision/unique_fd.hpp"

namespace troupe::apps {

// Which node a command means: --state, or the state folder of --config, or ./state.
class NodeChoice {
 public:
  // The object must stay where it is until the command line is parsed.
  void add_to(CLI::App& command);
  std::filesystem::path state_folder() const;

 private:
  std::string config_;
  std::string state_;
};

class AdminClient {
 public:
  // Throws config::UserError when no node runs there.
  explicit AdminClient(const std::filesystem::path& state);

  void send_line(std::string_view line);

  // Waits for the next line, at most `timeout` (zero: as long as it takes). Throws
  // config::UserError when the node stays silent or goes away.
  std::string read_line(std::chrono::seconds timeout);

 private:
  std::string path_;
  actors::supervision::UniqueFd fd_;
  std::string buffer_;
};

}  // namespace troupe::apps
