#include "actors/infer/scheduling.hpp"

#include <sched.h>

#include <atomic>

namespace troupe::actors::infer {
namespace {

std::atomic<bool> others_come_first = false;

void set_policy(int policy) {
  const sched_param same{};
  (void)sched_setscheduler(0, policy, &same);  // Linux: of this thread
}

}  // namespace

void let_others_compute() {
  if (sched_getscheduler(0) != SCHED_OTHER) return;
  set_policy(SCHED_BATCH);
  others_come_first = true;
}

void compute_at_once() {
  if (others_come_first) set_policy(SCHED_OTHER);
}

}  // namespace troupe::actors::infer
