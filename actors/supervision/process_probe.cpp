#include "actors/supervision/process_probe.hpp"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace troupe::actors::supervision {
namespace {

namespace fs = std::filesystem;

struct ThreadStat {
  char state = '\0';
  std::uint64_t ticks = 0;  // user + system
};

// PID (NAME) STATE PPID … with utime and stime as fields 14 and 15. The name may hold anything, so
// reading begins behind its last parenthesis.
ThreadStat read_stat(const fs::path& file) {
  std::ifstream in(file);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text.substr(name_end + 1));
  ThreadStat stat;
  fields >> stat.state;
  std::string skipped;
  for (int field = 4; field < 14; ++field) fields >> skipped;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  fields >> user >> system;
  stat.ticks = user + system;
  return stat;
}

Activity activity_of(char state) {
  if (state == 'T') return Activity::kStopped;
  if (state == 't') return Activity::kTraced;
  return state == 'R' || state == 'D' ? Activity::kRuns : Activity::kSleeps;
}

// The number after `name` at the beginning of a line; 0 when there is none.
std::uint64_t number_after(const fs::path& file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name)) return std::strtoull(line.c_str() + name.size(), nullptr, 10);
  }
  return 0;
}

bool counts_kills(const fs::path& file) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("oom_kill ")) return true;
  }
  return false;
}

}  // namespace

ProcessSample probe_process(pid_t pid, const fs::path& proc) {
  const fs::path folder = proc / std::to_string(pid);
  const ThreadStat whole = read_stat(folder / "stat");
  if (whole.state == '\0' || number_after(folder / "status", "CoreDumping:") != 0) return {};
  const auto ticks_per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  ProcessSample sample{.activity = activity_of(whole.state),
                       .cpu = Milliseconds(whole.ticks * 1000 / ticks_per_second)};
  std::error_code error;
  for (const auto& thread : fs::directory_iterator(folder / "task", error)) {
    const Activity activity = activity_of(read_stat(thread.path() / "stat").state);
    const bool rather = activity == Activity::kRuns || activity == Activity::kTraced;
    if (rather && sample.activity == Activity::kSleeps) sample.activity = activity;
  }
  return sample;
}

std::uint64_t own_memory_bytes(pid_t pid) {
  const fs::path file = "/proc/" + std::to_string(pid) + "/status";
  constexpr std::uint64_t kBytesPerKib = 1024;
  return number_after(file, "RssAnon:") * kBytesPerKib;
}

OutOfMemoryCount::OutOfMemoryCount(pid_t pid) : OutOfMemoryCount(pid, "/proc", "/sys/fs/cgroup") {}

// docs.kernel.org/admin-guide/cgroup-v2.html (memory.events), cgroup-v1/memory.html
// (memory.oom_control)
OutOfMemoryCount::OutOfMemoryCount(pid_t pid, const fs::path& proc, const fs::path& cgroups)
    : file_(proc / "vmstat") {
  std::ifstream groups(proc / std::to_string(pid) / "cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    const fs::path v1 = cgroups / "memory" / fs::path(group).relative_path() / "memory.oom_control";
    const fs::path v2 = cgroups / fs::path(group).relative_path() / "memory.events";
    if (controllers == "memory" && counts_kills(v1)) file_ = v1;
    if (controllers.empty() && counts_kills(v2)) file_ = v2;
  }
}

std::uint64_t OutOfMemoryCount::read() const { return number_after(file_, "oom_kill "); }

}  // namespace troupe::actors::supervision
