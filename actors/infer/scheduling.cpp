#include "actors/infer/scheduling.hpp"

#include <sched.h>

namespace troupe::actors::infer {
namespace {

void set_policy(int policy) {
  const sched_param same{};
  (void)sched_setscheduler(0, policy, &same);  // Linux: of this thread
}

}  // namespace

void let_others_compute() { set_policy(SCHED_BATCH); }

void compute_at_once() { set_policy(SCHED_OTHER); }

}  // namespace troupe::actors::infer
