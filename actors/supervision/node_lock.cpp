#include "actors/supervision/node_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>

#include "config/user_error.hpp"

namespace troupe::actors::supervision {
namespace {

// Children of a killed root are killed by the kernel at once; giving back a large model's memory
// takes them a while.
constexpr int kAttempts = 100;
constexpr std::chrono::milliseconds kBetweenAttempts{20};

UniqueFd open_lock(const std::filesystem::path& file) {
  // Not close-on-exec: root keeps the lock when `serve` becomes it, and its children hold it with
  // it.
  const int fd = open(file.c_str(), O_RDWR | O_CREAT, 0600);
  if (fd >= 0) return UniqueFd(fd);
  throw config::UserError(file.string() + ": cannot open the lock of the node: " +
                          std::strerror(errno) + "; choose another folder with --state");
}

pid_t owner_of(int fd) {
  char text[32] = {};
  const ssize_t bytes = pread(fd, text, sizeof text - 1, 0);
  pid_t pid = 0;
  if (bytes > 0) std::from_chars(text, text + bytes, pid);
  return pid;
}

bool is_alive(pid_t pid) { return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM); }

// The file may have been removed by the node that ended between our open and our lock.
bool is_still_the_file(int fd, const std::filesystem::path& file) {
  struct stat ours {};

  struct stat there {};

  return fstat(fd, &ours) == 0 && stat(file.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
         ours.st_dev == there.st_dev;
}

[[noreturn]] void refuse(const std::filesystem::path& file, pid_t owner) {
  const std::string who =
      is_alive(owner)
          ? "a node runs here already, process " + std::to_string(owner)
          : "processes of a node that died (process " + std::to_string(owner) + ") still run here";
  throw config::UserError(file.string() + ": " + who +
                          "; stop it with `troupe drain` or choose another folder with --state");
}

void write_owner(int fd) {
  const std::string text = std::to_string(getpid()) + "\n";
  // Only for people and messages: a full disk must not keep the node from starting.
  if (ftruncate(fd, 0) == 0) (void)!pwrite(fd, text.data(), text.size(), 0);
}

}  // namespace

NodeLock::NodeLock(UniqueFd fd, std::filesystem::path file)
    : fd_(std::move(fd)), file_(std::move(file)) {}

NodeLock NodeLock::take(const std::filesystem::path& state) {
  const std::filesystem::path file = state / "lock";
  for (int attempt = 0;; ++attempt) {
    UniqueFd fd = open_lock(file);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
      if (!is_still_the_file(fd.get(), file)) continue;
      write_owner(fd.get());
      return {std::move(fd), file};
    }
    const pid_t owner = owner_of(fd.get());
    if (is_alive(owner) || attempt == kAttempts) refuse(file, owner);
    std::this_thread::sleep_for(kBetweenAttempts);
  }
}

NodeLock NodeLock::adopt(int fd, const std::filesystem::path& state) {
  return {UniqueFd(fd), state / "lock"};
}

void NodeLock::remove() {
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
  fd_.reset();
}

}  // namespace troupe::actors::supervision
