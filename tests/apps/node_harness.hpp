// A node under test: fake_troupe processes that the test commands, with every wait ending in a
// failure, not a hang.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "actors/supervision/unique_fd.hpp"

namespace troupe::tests {

using actors::supervision::UniqueFd;

// A descriptor read line by line.
class LineReader {
 public:
  explicit LineReader(UniqueFd fd) : fd_(std::move(fd)) {}

  // The next line, or "<end>". Throws when none comes in half a minute.
  std::string next();
  // The next line that holds `part`; earlier ones are skipped.
  std::string next_with(const std::string& part);
  std::string all();
  bool has_more_now() const;

  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::string buffer_;
};

// One started front or worker of the node.
struct FakeChild {
  LineReader reports;
  std::string name;
  std::uint64_t generation = 0;
  pid_t pid = 0;

  // Sends the command and waits until it is done, except for those that end the child.
  void tell(const std::string& command);
};

// A fake_troupe command.
class Command {
 public:
  Command(const std::vector<std::string>& arguments, const std::filesystem::path& folder);
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  pid_t pid() const { return pid_; }

  void signal(int signal) const;
  int exit_code();  // waits; -signal when one ended it

  LineReader out;
  LineReader err;

 private:
  struct Pipes;
  Command(const std::vector<std::string>& arguments, const std::filesystem::path& folder, Pipes);

  pid_t pid_ = -1;
};

// What a service manager would hear.
class NotifySocket {
 public:
  explicit NotifySocket(std::filesystem::path path);

  // The next message; waits for it.
  std::string next() const;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  UniqueFd fd_;
};

// A folder with an empty model file and the socket that children report to.
class NodeHarness {
 public:
  NodeHarness();
  ~NodeHarness();
  NodeHarness(const NodeHarness&) = delete;
  NodeHarness& operator=(const NodeHarness&) = delete;

  // `fake_troupe serve --model model.gguf ARGUMENTS` in the folder.
  std::unique_ptr<Command> serve(std::vector<std::string> arguments = {}) const;
  std::unique_ptr<Command> command(const std::vector<std::string>& arguments) const;

  // The next child that root starts.
  FakeChild next_child() const;
  // The next two, worker-0 and front, whichever comes first.
  std::pair<FakeChild, FakeChild> next_worker_and_front() const;
  // A started node whose children are ready.
  std::pair<FakeChild, FakeChild> bring_up() const;

  // The restart log, line by line.
  std::vector<std::string> restart_log() const;
  UniqueFd connect_admin() const;
  // The admin socket's answer to one line.
  std::string ask(const std::string& request) const;
  nlohmann::json status() const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  UniqueFd listener_;
};

// The events of the restart log about one child, each with a space behind it.
std::string events_of(const NodeHarness& node, const std::string& child);

// The last line of this event; null when there is none.
nlohmann::json last_event(const NodeHarness& node, const std::string& event);

}  // namespace troupe::tests
