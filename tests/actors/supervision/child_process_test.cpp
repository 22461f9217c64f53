// Real processes: how they end.
#include "actors/supervision/child_process.hpp"

#include <poll.h>

#include <boost/test/unit_test.hpp>
#include <csignal>

using namespace troupe::actors::supervision;

namespace {

// `false` with arguments that it does not read, when it has ended.
ChildProcess ended_process() {
  ChildProcess process("/bin/false", {"false"});
  pollfd end{process.pid_fd(), POLLIN, 0};
  BOOST_REQUIRE(poll(&end, 1, 30'000) == 1);
  return process;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(child_process)

BOOST_AUTO_TEST_CASE(a_process_that_ended_tells_its_exit_code) {
  BOOST_TEST((ended_process().reap() == Termination{EndKind::kExited, 1}));
}

BOOST_AUTO_TEST_CASE(an_end_that_somebody_else_took_is_an_end_all_the_same) {
  std::signal(SIGCHLD, SIG_IGN);
  const ChildProcess process = ended_process();
  std::signal(SIGCHLD, SIG_DFL);
  BOOST_TEST((process.reap() == Termination{EndKind::kUnknown, 0}));
}

BOOST_AUTO_TEST_SUITE_END()
