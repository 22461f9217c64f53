#include "apps/interrupt.hpp"

#include <csignal>

namespace troupe::apps {
namespace {

// The one mutable global: a signal handler can reach nothing else.
volatile std::sig_atomic_t mark = 0;

void on_interrupt(int signal) {
  if (mark != 0) {
    // The loop does not ask: let the default action end the process.
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  mark = 1;
}

}  // namespace

void watch_interrupts() {
  struct sigaction action {};

  action.sa_handler = on_interrupt;
  // Without SA_RESTART a read that waits for a line returns, so that Ctrl-C ends it.
  sigaction(SIGINT, &action, nullptr);
}

bool interrupted() { return mark != 0; }

void clear_interrupt() { mark = 0; }

}  // namespace troupe::apps
