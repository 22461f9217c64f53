// Preloaded into a node by tests/pipeline/clock_test.py: a wall clock that jumps when the test says
// so. CLOCK_SHIFT_FILE names a file of eight bytes, the seconds to add, which the test writes anew.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

using Shift = std::atomic<std::int64_t>;

Shift* map_shift() {
  const char* path = std::getenv("CLOCK_SHIFT_FILE");
  const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  void* memory = mmap(nullptr, sizeof(Shift), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  return memory == MAP_FAILED ? nullptr : static_cast<Shift*>(memory);
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  using Original = int (*)(clockid_t, timespec*);
  static const auto original = reinterpret_cast<Original>(dlsym(RTLD_NEXT, "clock_gettime"));
  static const Shift* const shift = map_shift();
  const int result = original(clock, time);
  if (clock == CLOCK_REALTIME && shift != nullptr) time->tv_sec += shift->load();
  return result;
}
