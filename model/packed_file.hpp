// The cache file of packed weights: one page of header, then the payload of packed_layout.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace troupe::model {

inline constexpr std::size_t kPackedHeaderBytes = 4096;

// Memory from mmap, of a file or of none.
class MappedBytes {
 public:
  MappedBytes(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}

  ~MappedBytes();
  MappedBytes(MappedBytes&& other) noexcept;
  MappedBytes& operator=(MappedBytes&&) = delete;

  std::span<std::byte> bytes() const { return {data_, bytes_}; }

 private:
  std::byte* data_;
  std::size_t bytes_;
};

// Zeroed memory. Throws std::bad_alloc.
MappedBytes anonymous_bytes(std::size_t bytes);

// Maps a whole file for reading. Empty when it is missing, is not a regular file, or has another
// size.
std::optional<MappedBytes> map_packed_file(const std::filesystem::path& path, std::size_t bytes);

struct DraftResult;

// A file under construction beside `path` (`path`.draft), mapped for writing; removed again unless
// published. It is locked as long as its maker lives, so one without a lock is a killed process's,
// and is taken over.
class PackedFileDraft {
 public:
  // Waits while another process holds the draft; `waiting` is called before and after. `on_part` is
  // called for each kPartBytes (checksum.hpp) that got their place on the disk.
  static DraftResult create(const std::filesystem::path& path,
                            std::size_t bytes,
                            const std::function<void(bool begins)>& waiting = {},
                            const std::function<void()>& on_part = {});
  ~PackedFileDraft();
  PackedFileDraft(PackedFileDraft&& other) noexcept;
  PackedFileDraft& operator=(PackedFileDraft&&) = delete;

  std::span<std::byte> bytes() const { return mapping_.bytes(); }

  // Gives back the memory of what is written so far; the file keeps it.
  void let_go() const;

  // Makes it durable and gives it its name. Returns errno: zero unless the disk refused.
  int publish();

 private:
  PackedFileDraft(std::filesystem::path path,
                  std::filesystem::path draft,
                  int fd,
                  MappedBytes mapping);

  std::filesystem::path path_;
  std::filesystem::path draft_;
  int fd_;
  MappedBytes mapping_;
};

struct DraftResult {
  std::optional<PackedFileDraft> draft;  // empty when the folder cannot be written or is full …
  bool made_by_another = false;          // … or when another process ended its own meanwhile
  int error = 0;                         // errno of the first case, …
  std::filesystem::path refused{};       // … and of which file
};

// A memory file that several processes hold (memfd_create(2)), locked for one of them as long as it
// lives. `path` opens it: /proc/self/fd/N.
class MemoryFileLock {
 public:
  // Waits while another process holds it; `waiting` is called before and after. Empty when there is
  // no such file.
  static std::optional<MemoryFileLock> take(const std::filesystem::path& path,
                                            const std::function<void(bool begins)>& waiting = {});
  ~MemoryFileLock();
  MemoryFileLock(MemoryFileLock&& other) noexcept;
  MemoryFileLock& operator=(MemoryFileLock&&) = delete;

  // Whether it has the header of a packed file, of whatever weights. One whose packer was killed
  // has none.
  bool is_sealed() const;

  // Its content: zeroed, allocated, mapped for writing. Empty when there is no memory for it.
  // `on_part` as in PackedFileDraft.
  std::optional<MappedBytes> make_room(std::size_t bytes,
                                       const std::function<void()>& on_part = {});

 private:
  explicit MemoryFileLock(int fd) : fd_(fd) {}

  int fd_;
};

// The weights that a payload was made of.
struct PackedSource {
  std::uint64_t fingerprint = 0;  // of all their bytes
  std::uint64_t stamp = 0;        // of them and of their file when it had them, or zero
};

struct PackedSeal {
  std::uint64_t payload_checksum = 0;
  PackedSource source;
};

// Writes magic, version, `key`, `source`, and the checksums of payload and header into the first
// page. `key` has at most 128 bytes. `on_part` as in checksum.hpp.
PackedSeal seal_packed(std::span<std::byte> file,
                       std::string_view key,
                       const PackedSource& source,
                       const std::function<void()>& on_part = {});

// What the file states; empty when anything does not match.
std::optional<PackedSeal> verify_packed(std::span<const std::byte> file,
                                        std::string_view key,
                                        const std::function<void()>& on_part = {});

// States another stamp of the same weights, in place, if the file can be written.
void stamp_packed(const std::filesystem::path& path, std::uint64_t stamp);

}  // namespace troupe::model
