// How ends are blamed and named.
#include "actors/supervision/termination.hpp"

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <csignal>

using namespace troupe::actors::supervision;

namespace {

constexpr Termination kKilled{EndKind::kSignalled, SIGKILL};
constexpr Termination kLeft{EndKind::kExited, 0};
constexpr Termination kFailed{EndKind::kExited, 1};
constexpr Termination kMisconfigured{EndKind::kExited, kExitMisconfigured};

}  // namespace

BOOST_AUTO_TEST_SUITE(termination)

BOOST_AUTO_TEST_CASE(signals_that_work_raises_and_exit_codes_are_blamed_on_work) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
    BOOST_TEST((cause_of({EndKind::kSignalled, signal}) == Cause::kWork), signal);
  }
  for (const int signal : {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGPIPE}) {
    BOOST_TEST((cause_of({EndKind::kSignalled, signal}) == Cause::kOutside), signal);
  }
  BOOST_TEST((cause_of(kFailed) == Cause::kWork));
  BOOST_TEST((cause_of(kLeft) == Cause::kOutside));
  BOOST_TEST((cause_of({EndKind::kUnknown, 0}) == Cause::kWork));  // it backs off
  BOOST_TEST((cause_of(kMisconfigured) == Cause::kConfiguration));
}

BOOST_AUTO_TEST_CASE(an_end_has_a_name_for_labels_and_a_text_for_people) {
  BOOST_TEST(code_of(kKilled) == "SIGKILL");
  BOOST_TEST(describe(kKilled) == "killed by SIGKILL");
  BOOST_TEST(code_of({EndKind::kSignalled, 60}) == "signal_60");
  BOOST_TEST(code_of({EndKind::kExited, 3}) == "exit_3");
  BOOST_TEST(describe({EndKind::kExited, 3}) == "exited with 3");
  BOOST_TEST(code_of({EndKind::kNotStarted, ENOMEM}) == "ENOMEM");
  BOOST_TEST(code_of({EndKind::kUnknown, 0}) == "unknown");
  BOOST_TEST(code_of({EndKind::kThrew, 0}) == "exception");
  BOOST_TEST(describe({EndKind::kUnknown, 0}) == "ended, and nobody can say how");
}

BOOST_AUTO_TEST_SUITE_END()
