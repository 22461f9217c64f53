// Real processes: how they end.
#include "actors/supervision/child_process.hpp"

#include <poll.h>

#include <boost/test/unit_test.hpp>
#include <csignal>

using namespace troupe::actors::supervision;

namespace {

void wait_for_end(const ChildProcess& process) {
  pollfd end{process.pid_fd(), POLLIN, 0};
  BOOST_REQUIRE(poll(&end, 1, 30'000) == 1);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(child_process)

BOOST_AUTO_TEST_CASE(a_process_that_ended_tells_its_exit_code) {
  const ChildProcess process("/bin/sh", {"sh", "-c", "exit 3"});
  wait_for_end(process);
  BOOST_TEST((process.reap() == Termination{EndKind::kExited, 3}));
}

BOOST_AUTO_TEST_CASE(an_end_that_somebody_else_took_is_an_end_all_the_same) {
  std::signal(SIGCHLD, SIG_IGN);
  // It lives until it is killed: gone at once, it could not even be watched.
  const ChildProcess process("/bin/sh", {"sh", "-c", "exec sleep 1000"});
  process.send_signal(SIGKILL);
  wait_for_end(process);
  std::signal(SIGCHLD, SIG_DFL);
  BOOST_TEST((process.reap() == Termination{EndKind::kUnknown, 0}));
}

BOOST_AUTO_TEST_SUITE_END()
