// A file descriptor that closes itself.
#pragma once

#include <utility>

namespace troupe::actors::supervision {

class UniqueFd {
 public:
  UniqueFd() = default;

  explicit UniqueFd(int fd) : fd_(fd) {}

  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd();

  int get() const { return fd_; }

  explicit operator bool() const { return fd_ >= 0; }

  int release() { return std::exchange(fd_, -1); }

  void reset() { UniqueFd(std::move(*this)); }

 private:
  int fd_ = -1;
};

// Throws std::system_error that says what was attempted when `fd` is -1.
UniqueFd checked_fd(int fd, const char* attempt);

}  // namespace troupe::actors::supervision
