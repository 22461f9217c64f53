#include "actors/observe/log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "config/user_error.hpp"

namespace troupe::actors::observe {
namespace {

// Readable by its owner's group at most: lines name clients' addresses.
constexpr mode_t kLogMode = 0640;

int open_for_append(const std::filesystem::path& file) {
  return open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kLogMode);
}

std::uint64_t size_of(int fd) {
  struct stat status {};

  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  return static_cast<std::uint64_t>(status.st_size);
}

std::filesystem::path numbered(const std::filesystem::path& file, std::uint32_t number) {
  return file.string() + "." + std::to_string(number);
}

}  // namespace

LogFile::LogFile(std::filesystem::path file, LogLimits limits, Head head)
    : file_(std::move(file)), limits_(limits), head_(std::move(head)) {
  std::error_code ignored;  // open says what is wrong
  std::filesystem::create_directories(file_.parent_path(), ignored);
  fd_ = open_for_append(file_);
  if (fd_ < 0) {
    throw config::UserError(file_.string() + ": cannot open the log: " + std::strerror(errno) +
                            "; give another folder with node.logs (--logs)");
  }
  bytes_ = size_of(fd_);
}

LogFile::~LogFile() {
  if (fd_ >= 0) close(fd_);
}

void LogFile::append(std::string_view line) {
  const std::lock_guard lock(mutex_);
  if (bytes_ > 0 && bytes_ + line.size() + 1 > limits_.file_bytes_max) rotate();
  if (!write_line(line)) ++lost_;
}

std::uint64_t LogFile::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

// A failing rename or open leaves the current file in use: a long log is better than none.
void LogFile::rotate() {
  std::error_code ignored;
  for (std::uint32_t number = limits_.files_max - 1; number > 1; --number) {
    std::filesystem::rename(numbered(file_, number - 1), numbered(file_, number), ignored);
  }
  if (limits_.files_max > 1) std::filesystem::rename(file_, numbered(file_, 1), ignored);
  if (limits_.files_max == 1) std::filesystem::remove(file_, ignored);
  const int fresh = open_for_append(file_);
  if (fresh < 0) return;
  close(std::exchange(fd_, fresh));
  bytes_ = size_of(fd_);
  torn_ = false;
  const std::string head = head_ ? head_() : "";
  if (!head.empty() && !write_line(head)) ++lost_;
}

bool LogFile::write_line(std::string_view line) {
  // A line cut short by a full disk ends here, so that the next one stands alone.
  std::string bytes = torn_ ? "\n" : "";
  bytes.append(line).append("\n");
  const ssize_t written = write(fd_, bytes.data(), bytes.size());
  if (written <= 0) return false;
  bytes_ += static_cast<std::uint64_t>(written);
  torn_ = static_cast<std::size_t>(written) != bytes.size();
  return !torn_;
}

}  // namespace troupe::actors::observe
