// The front: gateway, preprocess, dispatch and aggregate in one process.
#pragma once

namespace troupe::apps {

// `troupe front`, which root starts. Returns the process's exit code.
int run_front_role(int argc, char** argv);

}  // namespace troupe::apps
