// An append-only log of lines with rotation by size. A full disk costs lines, which are counted,
// and nothing else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace troupe::actors::observe {

struct LogLimits {
  // An access line has about 250 bytes: a quarter of a million requests a file, and a gigabyte
  // never surprises.
  std::uint64_t file_bytes_max = std::uint64_t{64} << 20;
  std::uint32_t files_max = 4;  // the current one and its predecessors FILE.1 (newest) … FILE.3
};

// Thread-safe. One process writes a file; others may read it.
class LogFile {
 public:
  // What a file that follows another begins with: lines joined by line feeds, or nothing. It is
  // asked for within append() and must not append itself.
  using Head = std::function<std::string()>;

  // Opens or creates the file and its folder. Throws config::UserError when it cannot.
  explicit LogFile(std::filesystem::path file, LogLimits limits = {}, Head head = {});
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Appends `line` and a line feed in one write, so that readers never see lines interleaved. It
  // may be several lines already joined by line feeds.
  void append(std::string_view line);

  // Lines that could not be written whole.
  std::uint64_t lost() const;

 private:
  void rotate();
  bool write_line(std::string_view line);

  mutable std::mutex mutex_;
  std::filesystem::path file_;
  LogLimits limits_;
  Head head_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;  // in the current file
  std::uint64_t lost_ = 0;
  bool torn_ = false;  // the file ends within a line
};

}  // namespace troupe::actors::observe
