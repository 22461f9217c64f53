// One node per state folder: a lock that root and its children hold, and that the kernel drops with
// the last of them.
#pragma once

#include <filesystem>

#include "actors/supervision/unique_fd.hpp"

namespace troupe::actors::supervision {

class NodeLock {
 public:
  // Locks `state`/lock and writes this process's id into it. Waits up to two seconds for the
  // children of a dead node to end. Throws config::UserError that names the process which holds it.
  static NodeLock take(const std::filesystem::path& state);

  // After exec: the descriptor that the process inherited.
  static NodeLock adopt(int fd, const std::filesystem::path& state);

  // Inherited across exec and by children.
  int fd() const { return fd_.get(); }

  // Removes the file and lets go: the end of a node.
  void remove();

 private:
  NodeLock(UniqueFd fd, std::filesystem::path file);

  UniqueFd fd_;
  std::filesystem::path file_;
};

}  // namespace troupe::actors::supervision
