#include "model/packed_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include "config/check.hpp"
#include "model/checksum.hpp"

namespace troupe::model {
namespace {

// Little-endian, like every machine this runs on. The rest of the page is zero.
struct Header {
  char magic[8] = {'T', 'R', 'P', 'I', 'N', 'T', '8', '\n'};
  std::uint32_t version = 2;
  std::uint32_t header_bytes = kPackedHeaderBytes;
  std::uint64_t payload_bytes = 0;
  std::uint64_t payload_checksum = 0;
  char key[128] = {};
  std::uint64_t source_fingerprint = 0;
  std::uint64_t header_checksum = 0;  // of all before it
  // Written anew in place where the model's file was copied or touched, so not under the checksum.
  // It is made of the fingerprint, too (packed_storage.cpp), so a wrong one costs reading the
  // model.
  std::uint64_t source_stamp = 0;
};

std::uint64_t checksum_of(const Header& header) {
  return checksum(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, header_checksum)));
}

Header header_for(std::string_view key, std::uint64_t bytes, const PackedSeal& seal) {
  CHECK(key.size() <= sizeof Header::key, "keys are short");
  Header header;
  header.payload_bytes = bytes;
  header.payload_checksum = seal.payload_checksum;
  key.copy(header.key, key.size());
  header.source_fingerprint = seal.source.fingerprint;
  header.source_stamp = seal.source.stamp;
  header.header_checksum = checksum_of(header);
  return header;
}

MappedBytes map(int fd, std::size_t bytes, int protection, int flags) {
  void* data = mmap(nullptr, bytes, protection, flags, fd, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  madvise(data, bytes, MADV_HUGEPAGE);  // a wish; not every file system grants it
  return {static_cast<std::byte*>(data), bytes};
}

}  // namespace

MappedBytes::~MappedBytes() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

MappedBytes::MappedBytes(MappedBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MappedBytes anonymous_bytes(std::size_t bytes) {
  return map(-1, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

std::optional<MappedBytes> map_packed_file(const std::filesystem::path& path, std::size_t bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;

  struct stat status {};

  std::optional<MappedBytes> mapping;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
      static_cast<std::uint64_t>(status.st_size) == bytes) {
    mapping.emplace(map(fd, bytes, PROT_READ, MAP_SHARED));
  }
  close(fd);
  return mapping;
}

namespace {

// -1 when it cannot be opened for writing.
int open_draft(const std::string& draft) {
  return open(draft.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
}

// Waits for whoever holds it. A file system without locks is written without one.
void lock(int fd, const std::function<void(bool begins)>& waiting) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  if (waiting) waiting(true);
  while (flock(fd, LOCK_EX) != 0 && errno == EINTR) {
  }
  if (waiting) waiting(false);
}

// Whether `fd` is still the file of this name: the one waited for may have been renamed or removed.
bool is_file_of(int fd, const std::string& path) {
  struct stat opened {};

  struct stat named {};

  return fstat(fd, &opened) == 0 && lstat(path.c_str(), &named) == 0 && S_ISREG(named.st_mode) &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

// Zeroed, and allocated, not only sized: a full disk must show now and not as a SIGBUS while
// packing. Returns errno.
int give_size(int fd, std::size_t bytes, const std::function<void()>& on_part) {
  if (ftruncate(fd, 0) != 0) return errno;
  for (std::size_t at = 0; at < bytes; at += kPartBytes) {
    const std::size_t part = std::min(kPartBytes, bytes - at);
    const int error = posix_fallocate(fd, static_cast<off_t>(at), static_cast<off_t>(part));
    if (error != 0) return error;
    if (on_part) on_part();
  }
  return 0;
}

}  // namespace

DraftResult PackedFileDraft::create(const std::filesystem::path& path,
                                    std::size_t bytes,
                                    const std::function<void(bool begins)>& waiting,
                                    const std::function<void()>& on_part) {
  // A folder cannot be replaced by a file: that shows now, not when all is packed.
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return {.draft = {}, .error = EISDIR, .refused = path};
  const std::string draft = path.string() + ".draft";
  const int fd = open_draft(draft);
  if (fd < 0) return {.draft = {}, .error = errno, .refused = draft};
  lock(fd, waiting);
  if (!is_file_of(fd, draft)) {
    close(fd);
    return {.draft = {}, .made_by_another = true};
  }
  if (const int error = give_size(fd, bytes, on_part); error != 0) {
    unlink(draft.c_str());
    close(fd);
    return {.draft = {}, .error = error, .refused = path};
  }
  return {.draft =
              PackedFileDraft(path, draft, fd, map(fd, bytes, PROT_READ | PROT_WRITE, MAP_SHARED))};
}

void PackedFileDraft::let_go() const {
  const std::span<std::byte> all = mapping_.bytes();
  madvise(all.data(), all.size(), MADV_DONTNEED);  // of a shared mapping: the file has it all
}

PackedFileDraft::PackedFileDraft(std::filesystem::path path,
                                 std::filesystem::path draft,
                                 int fd,
                                 MappedBytes mapping)
    : path_(std::move(path)), draft_(std::move(draft)), fd_(fd), mapping_(std::move(mapping)) {}

PackedFileDraft::PackedFileDraft(PackedFileDraft&& other) noexcept
    : path_(std::move(other.path_)),
      draft_(std::exchange(other.draft_, {})),
      fd_(std::exchange(other.fd_, -1)),
      mapping_(std::move(other.mapping_)) {}

PackedFileDraft::~PackedFileDraft() {
  if (!draft_.empty()) unlink(draft_.c_str());  // while it is locked: nobody else has it yet
  if (fd_ >= 0) close(fd_);
}

int PackedFileDraft::publish() {
  const std::span<std::byte> all = mapping_.bytes();
  if (msync(all.data(), all.size(), MS_SYNC) != 0 || fsync(fd_) != 0) return errno;
  if (rename(draft_.c_str(), path_.c_str()) != 0) return errno;
  draft_.clear();
  return 0;
}

std::optional<MemoryFileLock> MemoryFileLock::take(
    const std::filesystem::path& path, const std::function<void(bool begins)>& waiting) {
  // Opened anew: a lock belongs to an open file, which processes that inherited it share.
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  lock(fd, waiting);
  return MemoryFileLock(fd);
}

MemoryFileLock::~MemoryFileLock() {
  if (fd_ >= 0) close(fd_);
}

MemoryFileLock::MemoryFileLock(MemoryFileLock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

bool MemoryFileLock::is_sealed() const {
  Header header;
  if (pread(fd_, &header, sizeof header, 0) != sizeof header) return false;
  return header.header_checksum == checksum_of(header);
}

std::optional<MappedBytes> MemoryFileLock::make_room(std::size_t bytes,
                                                     const std::function<void()>& on_part) {
  if (give_size(fd_, bytes, on_part) != 0) return std::nullopt;
  return map(fd_, bytes, PROT_READ | PROT_WRITE, MAP_SHARED);
}

PackedSeal seal_packed(std::span<std::byte> file,
                       std::string_view key,
                       const PackedSource& source,
                       const std::function<void()>& on_part) {
  const std::span<std::byte> payload = file.subspan(kPackedHeaderBytes);
  const PackedSeal seal{checksum(payload, on_part), source};
  const Header header = header_for(key, payload.size(), seal);
  std::memcpy(file.data(), &header, sizeof header);
  return seal;
}

std::optional<PackedSeal> verify_packed(std::span<const std::byte> file,
                                        std::string_view key,
                                        const std::function<void()>& on_part) {
  if (file.size() < kPackedHeaderBytes) return std::nullopt;
  Header header;
  std::memcpy(&header, file.data(), sizeof header);
  const PackedSeal seal{header.payload_checksum, {header.source_fingerprint, header.source_stamp}};
  const std::span<const std::byte> payload = file.subspan(kPackedHeaderBytes);
  const Header expected = header_for(key, payload.size(), seal);
  if (std::memcmp(&header, &expected, sizeof header) != 0) return std::nullopt;
  if (checksum(payload, on_part) != seal.payload_checksum) return std::nullopt;
  return seal;
}

void stamp_packed(const std::filesystem::path& path, std::uint64_t stamp) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return;
  // Half a stamp is a wrong one, which does no harm.
  [[maybe_unused]] const auto written =
      pwrite(fd, &stamp, sizeof stamp, offsetof(Header, source_stamp));
  close(fd);
}

}  // namespace troupe::model
