// How the kernel lets a worker's threads take turns. Both speak of the calling thread and of those
// that it starts from then on. Where the system forbids it nothing changes, nor where the
// process was started under another policy than the usual one (`chrt --idle 0 troupe …`): that was
// somebody's wish.
#pragma once

namespace troupe::actors::infer {

// A thread that wakes takes no core from one that computes: it gets one that is free, or waits for
// the kernel's next tick. (SCHED_BATCH of sched(7).)
void let_others_compute();

// Back to the usual policy, if the process has left it.
void compute_at_once();

}  // namespace troupe::actors::infer
