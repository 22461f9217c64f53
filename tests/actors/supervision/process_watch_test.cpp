// Whom the kernel killed for memory, told from a recorded control group.
#include "actors/supervision/process_watch.hpp"

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fstream>
#include <string>

#include "config/limits.hpp"

using namespace troupe::actors::supervision;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr pid_t kPid = 7;
constexpr Termination kKilled{EndKind::kSignalled, SIGKILL};
constexpr Termination kForMemory{EndKind::kOutOfMemory, SIGKILL};

// A process that is watched in a control group where two have been killed before it began.
class Watched {
 public:
  Watched() {
    char name[] = "/tmp/troupe-watch-XXXXXX";
    folder_ = mkdtemp(name);
    fs::create_directories(folder_ / "proc" / std::to_string(kPid));
    fs::create_directories(folder_ / "cgroup/node");
    std::ofstream(folder_ / "proc" / std::to_string(kPid) / "cgroup") << "0::/node\n";
    kernel_kills_in_all(2);
    watch_.emplace(kPid, OutOfMemoryCount(kPid, folder_ / "proc", folder_ / "cgroup"));
  }

  ~Watched() { fs::remove_all(folder_); }

  void kernel_kills_in_all(int count) const {
    std::ofstream(folder_ / "cgroup/node/memory.events") << "oom 1\noom_kill " << count << "\n";
  }

  // Root looks at it for this long. It has no limit and does not beat.
  void lives(Milliseconds time) {
    const BeatPage page = BeatPage::make();
    for (const TimePoint end = now_ + time; now_ < end; now_ += troupe::config::kLookInterval) {
      (void)watch_->hangs(page.beats(), now_);
    }
  }

  Termination ends(Termination end) const { return watch_->explain(end); }

 private:
  fs::path folder_;
  std::optional<ProcessWatch> watch_;
  TimePoint now_{};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(process_watch)

BOOST_AUTO_TEST_CASE(a_kill_is_the_kernels_when_it_has_just_counted_one) {
  Watched process;
  process.lives(5s);
  process.kernel_kills_in_all(3);
  BOOST_TEST((process.ends(kKilled) == kForMemory));
  BOOST_TEST((process.ends({EndKind::kSignalled, SIGSEGV}).kind == EndKind::kSignalled));
}

BOOST_AUTO_TEST_CASE(a_kill_before_the_first_look_is_the_kernels_too) {
  Watched process;
  process.kernel_kills_in_all(3);
  BOOST_TEST((process.ends(kKilled) == kForMemory));
}

BOOST_AUTO_TEST_CASE(a_kill_that_root_read_before_it_heard_of_the_end_is_still_the_kernels) {
  Watched process;
  process.lives(5s);
  process.kernel_kills_in_all(3);
  process.lives(troupe::config::kMemoryLookInterval);
  BOOST_TEST((process.ends(kKilled) == kForMemory));
}

BOOST_AUTO_TEST_CASE(a_kill_from_outside_is_not_the_kernels_where_it_killed_another_long_before) {
  Watched process;
  BOOST_TEST((process.ends(kKilled) == kKilled));
  process.kernel_kills_in_all(3);
  process.lives(3 * troupe::config::kMemoryLookInterval);
  BOOST_TEST((process.ends(kKilled) == kKilled));
}

BOOST_AUTO_TEST_SUITE_END()
