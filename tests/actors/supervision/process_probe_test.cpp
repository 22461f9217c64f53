// What /proc says of real processes, and of recorded control groups.
#include "actors/supervision/process_probe.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <string>

using namespace troupe::actors::supervision;
namespace fs = std::filesystem;

namespace {

// A process that sleeps until it is destroyed.
class Sleeper {
 public:
  Sleeper() : pid_(fork()) {
    if (pid_ != 0) return;
    for (;;) pause();
  }

  ~Sleeper() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

struct Folder {
  Folder() {
    char name[] = "/tmp/troupe-probe-XXXXXX";
    path = mkdtemp(name);
  }

  ~Folder() { fs::remove_all(path); }

  void write(const fs::path& file, const std::string& text) const {
    fs::create_directories((path / file).parent_path());
    std::ofstream(path / file) << text;
  }

  std::uint64_t count() const { return OutOfMemoryCount(7, path / "proc", path / "cgroup").read(); }

  fs::path path;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(process_probe)

BOOST_AUTO_TEST_CASE(the_process_that_asks_runs_and_has_used_a_processor) {
  volatile std::uint64_t sum = 0;
  while (probe_process(getpid()).cpu < Milliseconds(50)) {
    for (int i = 0; i < 1'000'000; ++i) sum = sum + 1;
  }
  BOOST_TEST((probe_process(getpid()).activity == Activity::kRuns));
}

BOOST_AUTO_TEST_CASE(a_stopped_process_is_seen_as_stopped) {
  const Sleeper sleeper;
  kill(sleeper.pid(), SIGSTOP);
  int status = 0;
  waitpid(sleeper.pid(), &status, WUNTRACED);
  BOOST_TEST((probe_process(sleeper.pid()).activity == Activity::kStopped));
}

BOOST_AUTO_TEST_CASE(a_process_that_is_not_there_is_gone) {
  BOOST_TEST((probe_process(-1).activity == Activity::kGone));
  BOOST_TEST(own_memory_bytes(-1) == 0U);
}

BOOST_AUTO_TEST_CASE(a_process_that_writes_its_core_dump_is_gone_and_no_sleeper) {
  const Folder folder;
  folder.write("7/stat", "7 (a (b) c) S 1 1 1 0 -1 4 0 0 0 0 30 20 0 0 20 0 1 0 5 0 0\n");
  folder.write("7/task/7/stat", "7 (a (b) c) S 1 1 1 0 -1 4 0 0 0 0 30 20 0 0 20 0 1 0 5 0 0\n");
  folder.write("7/status", "Name:\ta (b) c\nCoreDumping:\t0\nThreads:\t1\n");
  const ProcessSample sleeper = probe_process(7, folder.path);
  BOOST_TEST((sleeper.activity == Activity::kSleeps));
  BOOST_TEST(sleeper.cpu.count() == 50 * 1000 / sysconf(_SC_CLK_TCK));
  folder.write("7/status", "Name:\ta (b) c\nCoreDumping:\t1\nThreads:\t1\n");
  BOOST_TEST((probe_process(7, folder.path).activity == Activity::kGone));
}

BOOST_AUTO_TEST_CASE(own_memory_grows_with_what_is_written_and_not_with_what_others_can_share) {
  const std::uint64_t before = own_memory_bytes(getpid());
  const std::string held(std::size_t{64} << 20, 'x');
  const std::uint64_t after = own_memory_bytes(getpid());
  BOOST_TEST(after >= before + (std::uint64_t{60} << 20));
  BOOST_TEST(held.back() == 'x');
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  // Touched by the kernel: where a sanitizer sees writes, it takes memory of its own for them.
  constexpr int kFlags = MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE;
  void* shared = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  BOOST_REQUIRE(shared != MAP_FAILED);
  BOOST_TEST(own_memory_bytes(getpid()) < after + kBytes / 2);
  munmap(shared, kBytes);
}

BOOST_AUTO_TEST_CASE(kills_for_memory_are_counted_in_the_group_of_version_2) {
  const Folder folder;
  folder.write("proc/7/cgroup", "0::/node/a\n");
  folder.write("cgroup/node/a/memory.events", "low 0\nhigh 0\nmax 4\noom 1\noom_kill 3\n");
  BOOST_TEST(folder.count() == 3U);
}

BOOST_AUTO_TEST_CASE(kills_for_memory_are_counted_in_the_group_of_version_1) {
  const Folder folder;
  folder.write("proc/7/cgroup", "5:cpu,cpuacct:/x\n4:memory:/node\n0::/\n");
  folder.write("cgroup/memory/node/memory.oom_control",
               "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
  BOOST_TEST(folder.count() == 2U);
}

BOOST_AUTO_TEST_CASE(where_no_group_tells_the_machine_does) {
  const Folder folder;
  folder.write("proc/7/cgroup", "0::/\n");
  folder.write("proc/vmstat", "nr_free_pages 1\noom_kill 5\n");
  BOOST_TEST(folder.count() == 5U);
}

BOOST_AUTO_TEST_SUITE_END()
