#include "model/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "config/user_error.hpp"
#include "model/checksum.hpp"
#include "model/gguf_cursor.hpp"

namespace troupe::model {
namespace {

// O_NONBLOCK: opening a FIFO must not wait for a writer; it does nothing to a regular file.
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

[[noreturn]] void fail(const std::string& file, const std::string& problem) {
  throw config::UserError(file + ": " + problem);
}

[[noreturn]] void fail_open(const std::string& name, int error) {
  fail(name,
       std::string("cannot be opened (") + std::strerror(error) +
           "): check its path and permissions");
}

struct stat status_of(int descriptor, const std::string& name) {
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0) {
    fail(name,
         std::string("cannot be examined (") + std::strerror(errno) + "): check the file system");
  }
  return status;
}

std::chrono::nanoseconds since_epoch(const timespec& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// The device's number is left out: containers and reboots change it.
std::uint64_t stamp_of(const struct stat& status) {
  // The coarsest times that file systems keep (FAT: kernel.org/doc/html/latest/filesystems/vfat).
  constexpr auto kCoarsest = std::chrono::seconds(2);
  const auto written = since_epoch(status.st_mtim);
  const auto changed = since_epoch(status.st_ctim);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  if (std::max(written, changed) + kCoarsest > now) return 0;
  const std::array<std::uint64_t, 4> facts{status.st_ino,
                                           static_cast<std::uint64_t>(status.st_size),
                                           static_cast<std::uint64_t>(written.count()),
                                           static_cast<std::uint64_t>(changed.count())};
  return checksum(std::as_bytes(std::span(facts)));
}

}  // namespace

MappedFile::MappedFile(int descriptor, std::size_t size, std::uint64_t stamp, std::string name)
    : name_(std::move(name)), size_(size), stamp_(stamp) {
  address_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
  if (address_ == MAP_FAILED) {
    fail(name_,
         std::string("cannot be mapped (") + std::strerror(errno) +
             "): raise the limit of address space");
  }
}

MappedFile::~MappedFile() { ::munmap(address_, size_); }

void MappedFile::let_go() const { ::madvise(address_, size_, MADV_DONTNEED); }

std::span<const std::byte> MappedFile::bytes() const {
  return {static_cast<const std::byte*>(address_), size_};
}

OpenPath::OpenPath(int descriptor, std::string name)
    : descriptor_(descriptor), name_(std::move(name)) {}

OpenPath::OpenPath(OpenPath&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)),
      is_folder_(other.is_folder_) {}

OpenPath::~OpenPath() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

OpenPath OpenPath::open(const std::string& path, const std::string& remedy) {
  OpenPath opened(::open(path.c_str(), kFlags), path);
  if (opened.descriptor_ < 0) {
    const int error = errno;
    if (error == ENOENT) fail(path, "no such file: " + remedy);
    fail_open(path, error);
  }
  opened.is_folder_ = S_ISDIR(status_of(opened.descriptor_, path).st_mode);
  return opened;
}

std::string OpenPath::target() const {
  std::error_code error;
  const auto path =
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor_), error);
  return error ? name_ : path.string();
}

std::optional<OpenPath> OpenPath::file(const std::string& name) const {
  // Links are followed: the caches of models that others keep are folders of links.
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos) {
    fail(name_, "names a file " + in_quotes(name) + " that is not in the folder: fetch it again");
  }
  const std::string path = name_ + (name_.ends_with('/') ? "" : "/") + name;
  OpenPath opened(::openat(descriptor_, name.c_str(), kFlags), path);
  if (opened.descriptor_ >= 0) return opened;
  const int error = errno;
  if (error == ENOENT) return std::nullopt;
  fail_open(path, error);
}

std::shared_ptr<const MappedFile> OpenPath::map() const {
  const struct stat status = status_of(descriptor_, name_);
  if (!S_ISREG(status.st_mode))
    fail(name_, "is not a regular file: put one there, or give another path");
  if (status.st_size == 0) fail(name_, "the file is empty: fetch it again");
  return std::make_shared<const MappedFile>(
      descriptor_, static_cast<std::size_t>(status.st_size), stamp_of(status), name_);
}

}  // namespace troupe::model
