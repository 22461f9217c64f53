// CHECK(condition, why): a broken promise inside our own code ends the process; its supervisor
// restarts it.
#pragma once

#include <cstdio>
#include <cstdlib>

// For bugs only: no input, file or peer may be able to reach it.
#define CHECK(condition, why)                                                                     \
  do {                                                                                            \
    if (!(condition)) [[unlikely]] {                                                              \
      std::fprintf(stderr, "%s:%d: CHECK(%s) failed: %s\n", __FILE__, __LINE__, #condition, why); \
      std::abort();                                                                               \
    }                                                                                             \
  } while (false)
