// Ctrl-C as a question that a loop asks: a command ends cleanly between two steps.
#pragma once

namespace troupe::apps {

// From here on SIGINT only sets a mark; a second one while the mark stands ends the process.
void watch_interrupts();

bool interrupted();
void clear_interrupt();

// What a shell gives for a command that SIGINT ended: 128 + 2.
inline constexpr int kInterruptedExitCode = 130;

}  // namespace troupe::apps
