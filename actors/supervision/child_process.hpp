// One running child process of root: started with posix_spawn, watched through a pidfd, heard
// through its control channel and its standard error.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "actors/supervision/beat_page.hpp"
#include "actors/supervision/control_channel.hpp"
#include "actors/supervision/termination.hpp"
#include "actors/supervision/unique_fd.hpp"

namespace troupe::actors::supervision {

class ChildProcess {
 public:
  // Starts `executable` with `arguments` (argv[0] first), --control-fd and --beat-fd. SIGINT is
  // blocked in it from its first instruction. Call from the main thread only: the parent-death
  // signal follows the thread. `inherited`: descriptors that it keeps under the same numbers.
  // Throws std::system_error.
  ChildProcess(const std::filesystem::path& executable,
               std::vector<std::string> arguments,
               std::vector<int> inherited = {});

  pid_t pid() const { return pid_; }

  int pid_fd() const { return pid_fd_.get(); }  // readable when the process has ended

  int error_fd() const {
    return error_.get();
  }  // readable when it wrote to standard error; -1: closed

  ControlChannel& control() { return control_; }

  // What it counts up in while it gets on.
  const Beats& beats() const { return beats_.beats(); }

  void send_signal(int signal) const;

  // Hands on whole pieces of standard error as they are read, and remembers the last line.
  void read_errors(const std::function<void(std::string_view)>& hand_on);

  // At most kReasonBytesMax bytes.
  const std::string& last_error_line() const { return last_line_; }

  // How it ended; nothing while it runs. To be called once it has ended; a second time it is
  // kUnknown.
  std::optional<Termination> reap() const;

 private:
  void remember(std::string_view text);

  pid_t pid_ = -1;
  UniqueFd pid_fd_;
  UniqueFd error_;
  ControlChannel control_;
  BeatPage beats_;
  std::string line_;  // that has not ended yet
  std::string last_line_;
};

// Enough for what, where and what to do.
inline constexpr std::size_t kReasonBytesMax = 500;

}  // namespace troupe::actors::supervision
