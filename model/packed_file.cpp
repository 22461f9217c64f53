#include "model/packed_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "config/check.hpp"
#include "model/checksum.hpp"

namespace troupe::model {
namespace {

// Little-endian, like every machine this runs on. The rest of the page is zero.
struct Header {
  char magic[8] = {'T', 'R', 'P', 'I', 'N', 'T', '8', '\n'};
  std::uint32_t version = 1;
  std::uint32_t header_bytes = kPackedHeaderBytes;
  std::uint64_t payload_bytes = 0;
  std::uint64_t payload_checksum = 0;
  char key[128] = {};
  std::uint64_t header_checksum = 0;  // of all before it
};

std::uint64_t checksum_of(const Header& header) {
  return checksum(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, header_checksum)));
}

Header header_for(std::string_view key, std::uint64_t bytes, std::uint64_t payload) {
  CHECK(key.size() <= sizeof Header::key, "keys are short");
  Header header;
  header.payload_bytes = bytes;
  header.payload_checksum = payload;
  key.copy(header.key, key.size());
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

std::optional<PackedFileDraft> PackedFileDraft::create(const std::filesystem::path& path,
                                                       std::size_t bytes) {
  std::string draft = path.string() + ".draft-XXXXXX";
  const int fd = mkostemp(draft.data(), O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  (void)fchmod(fd, 0644);  // other users' workers share it
  // Allocated, not only sized: a full disk must show now and not as a SIGBUS while packing.
  if (posix_fallocate(fd, 0, static_cast<off_t>(bytes)) != 0) {
    close(fd);
    unlink(draft.c_str());
    return std::nullopt;
  }
  return PackedFileDraft(path, draft, fd, map(fd, bytes, PROT_READ | PROT_WRITE, MAP_SHARED));
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
  if (fd_ >= 0) close(fd_);
  if (!draft_.empty()) unlink(draft_.c_str());
}

bool PackedFileDraft::publish() {
  const std::span<std::byte> all = mapping_.bytes();
  if (msync(all.data(), all.size(), MS_SYNC) != 0 || fsync(fd_) != 0) return false;
  if (rename(draft_.c_str(), path_.c_str()) != 0) return false;
  draft_.clear();
  return true;
}

std::uint64_t seal_packed(std::span<std::byte> file, std::string_view key) {
  const std::span<std::byte> payload = file.subspan(kPackedHeaderBytes);
  const Header header = header_for(key, payload.size(), checksum(payload));
  std::memcpy(file.data(), &header, sizeof header);
  return header.payload_checksum;
}

std::optional<std::uint64_t> verify_packed(std::span<const std::byte> file, std::string_view key) {
  if (file.size() < kPackedHeaderBytes) return std::nullopt;
  Header header;
  std::memcpy(&header, file.data(), sizeof header);
  const std::span<const std::byte> payload = file.subspan(kPackedHeaderBytes);
  const Header expected = header_for(key, payload.size(), header.payload_checksum);
  if (std::memcmp(&header, &expected, sizeof header) != 0) return std::nullopt;
  if (checksum(payload) != header.payload_checksum) return std::nullopt;
  return header.payload_checksum;
}

}  // namespace troupe::model
