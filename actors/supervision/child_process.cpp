#include "actors/supervision/child_process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

// glibc 2.36 forgets to say extern "C" itself.
extern "C" {
#include <sys/pidfd.h>
}

extern char** environ;

namespace troupe::actors::supervision {
namespace {

// posix_spawn's two records, destroyed whatever happens.
struct SpawnPlan {
  SpawnPlan() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
  }

  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }

  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // A copy onto the same number clears close-on-exec (posix_spawn_file_actions_adddup2(3p)).
  void keep(int fd) { posix_spawn_file_actions_adddup2(&files, fd, fd); }

  // A signal to root's process group (a terminal's Ctrl-C, `timeout`, a shell's kill) is root's to
  // act on: its children, in groups of their own, would else be gone before they could drain.
  void shield_from_group_signals() {
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    posix_spawnattr_setsigmask(&attributes, &blocked);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }

  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
};

pid_t spawn(const std::filesystem::path& executable,
            std::vector<std::string> arguments,
            int error_fd,
            const std::vector<int>& inherited) {
  SpawnPlan plan;
  for (const int fd : inherited) plan.keep(fd);
  posix_spawn_file_actions_adddup2(&plan.files, error_fd, STDERR_FILENO);
  plan.shield_from_group_signals();
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawn(
      &pid, executable.c_str(), &plan.files, &plan.attributes, pointers.data(), environ);
  if (error != 0) throw std::system_error(error, std::generic_category(), "cannot start a child");
  return pid;
}

std::pair<UniqueFd, UniqueFd> make_pipe() {
  int ends[2] = {-1, -1};
  const int made = pipe2(ends, O_CLOEXEC);
  UniqueFd read_end = checked_fd(made == 0 ? ends[0] : -1, "cannot make a pipe");
  fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  return {std::move(read_end), UniqueFd(ends[1])};
}

}  // namespace

ChildProcess::ChildProcess(const std::filesystem::path& executable,
                           std::vector<std::string> arguments,
                           std::vector<int> inherited)
    : control_(-1), beats_(BeatPage::make()) {
  auto [ours, theirs] = ControlChannel::make_pair();
  auto [read_end, write_end] = make_pipe();
  arguments.insert(arguments.end(), {"--control-fd", std::to_string(theirs.fd())});
  arguments.insert(arguments.end(), {"--beat-fd", std::to_string(beats_.fd())});
  inherited.insert(inherited.end(), {theirs.fd(), beats_.fd()});
  pid_ = spawn(executable, std::move(arguments), write_end.get(), inherited);
  const int pid_fd = pidfd_open(pid_, 0);
  if (pid_fd < 0) {
    // Without a pidfd the child could not be watched: no child is better than an unwatched one.
    const int error = errno;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    throw std::system_error(error, std::generic_category(), "cannot watch a child");
  }
  pid_fd_ = UniqueFd(pid_fd);
  control_ = std::move(ours);
  error_ = std::move(read_end);
}

void ChildProcess::send_signal(int signal) const {
  pidfd_send_signal(pid_fd_.get(), signal, nullptr, 0);
}

void ChildProcess::read_errors(const std::function<void(std::string_view)>& hand_on) {
  char buffer[4096];
  // One pipe's content at most, so that a child that writes without end cannot hold root here.
  for (int round = 0; error_ && round < 16; ++round) {
    const ssize_t bytes = read(error_.get(), buffer, sizeof buffer);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 && errno == EAGAIN) return;
    if (bytes <= 0) {
      error_.reset();
      return;
    }
    const std::string_view text(buffer, static_cast<std::size_t>(bytes));
    hand_on(text);
    remember(text);
  }
}

void ChildProcess::remember(std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      if (!line_.empty()) last_line_ = std::move(line_);
      line_.clear();
    } else if (line_.size() < kReasonBytesMax) {
      line_ += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
}

std::optional<Termination> ChildProcess::reap() const {
  siginfo_t info{};
  const auto fd = static_cast<id_t>(pid_fd_.get());
  if (waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG) != 0) {
    // Somebody else has taken its end (waitid(2): the kernel does while SIGCHLD is ignored).
    if (errno == ECHILD) return Termination{EndKind::kUnknown, 0};
    return std::nullopt;
  }
  if (info.si_pid == 0) return std::nullopt;
  const bool exited = info.si_code == CLD_EXITED;
  return Termination{exited ? EndKind::kExited : EndKind::kSignalled, info.si_status};
}

}  // namespace troupe::actors::supervision
