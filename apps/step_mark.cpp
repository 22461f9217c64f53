#include "apps/step_mark.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "config/check.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

constexpr const char* kSuffix = ".step";
// A file that claims more is not ours.
constexpr std::uint64_t kRequestsMax = 1024;

std::filesystem::path mark_file(const std::filesystem::path& state,
                                const std::string& worker,
                                std::uint64_t generation) {
  return state / (worker + "." + std::to_string(generation) + kSuffix);
}

}  // namespace

StepMark::StepMark(const std::filesystem::path& state,
                   const std::string& worker,
                   std::uint64_t generation,
                   std::size_t most)
    : file_(mark_file(state, worker, generation)), most_(most) {
  const std::size_t bytes = (1 + most) * sizeof(std::uint64_t);
  const int fd = open(file_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  void* memory = MAP_FAILED;
  // Written space, not a hole: a full disk must fail here and not kill the worker in a step.
  if (fd >= 0 && posix_fallocate(fd, 0, static_cast<off_t>(bytes)) == 0) {
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (fd >= 0) close(fd);
  if (memory == MAP_FAILED) {
    throw config::UserError(file_.string() + ": cannot make the worker's step record: " +
                            std::strerror(errno) + "; free some space in the state folder");
  }
  words_ = static_cast<std::uint64_t*>(memory);
}

StepMark::~StepMark() {
  munmap(words_, (1 + most_) * sizeof(std::uint64_t));
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
}

void StepMark::begin(std::span<const std::uint64_t> request_ids) {
  CHECK(request_ids.size() <= most_, "a step holds at most sequences_max requests");
  std::ranges::copy(request_ids, words_ + 1);
  // The count last: a crash in between must not show half a list.
  std::atomic_ref(words_[0]).store(request_ids.size(), std::memory_order_release);
}

void StepMark::end() { std::atomic_ref(words_[0]).store(0, std::memory_order_release); }

std::vector<std::uint64_t> take_step_mark(const std::filesystem::path& state,
                                          const std::string& worker,
                                          std::uint64_t generation) {
  const std::filesystem::path file = mark_file(state, worker, generation);
  std::ifstream in(file, std::ios::binary);
  std::uint64_t count = 0;
  const auto read = [&in](std::uint64_t* to, std::size_t words) {
    in.read(reinterpret_cast<char*>(to),
            static_cast<std::streamsize>(words * sizeof(std::uint64_t)));
    return static_cast<bool>(in);
  };
  std::vector<std::uint64_t> ids;
  if (read(&count, 1) && count <= kRequestsMax) {
    ids.resize(count);
    if (!read(ids.data(), count)) ids.clear();
  }
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  return ids;
}

void remove_step_marks(const std::filesystem::path& state) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(state, ignored)) {
    if (entry.path().extension() == kSuffix) std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace troupe::apps
