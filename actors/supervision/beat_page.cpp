#include "actors/supervision/beat_page.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace troupe::actors::supervision {

BeatPage BeatPage::make() {
  const int fd =
      checked_fd(memfd_create("troupe-beats", MFD_CLOEXEC), "cannot make a beat page").release();
  if (ftruncate(fd, sizeof(Beats)) != 0) {
    const int error = errno;
    close(fd);
    throw std::system_error(error, std::generic_category(), "cannot make a beat page");
  }
  return BeatPage(fd);
}

BeatPage::BeatPage(int fd) : fd_(fd) {
  void* memory = mmap(nullptr, sizeof(Beats), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "cannot map a beat page");
  }
  // Zeroed memory is a valid Beats, whichever side maps it first.
  beats_ = static_cast<Beats*>(memory);
}

BeatPage::BeatPage(BeatPage&& other) noexcept
    : fd_(std::move(other.fd_)), beats_(std::exchange(other.beats_, nullptr)) {}

BeatPage& BeatPage::operator=(BeatPage&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(beats_, other.beats_);
  return *this;
}

BeatPage::~BeatPage() {
  if (beats_ != nullptr) munmap(beats_, sizeof(Beats));
}

}  // namespace troupe::actors::supervision
