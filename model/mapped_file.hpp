// Files and folders of a model: opened once, checked by what was opened, mapped read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace troupe::model {

// A whole file, mapped read-only and shared, so that processes serving one model hold one copy.
class MappedFile {
 public:
  MappedFile(int descriptor, std::size_t size, std::uint64_t stamp, std::string name);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& name() const { return name_; }

  std::span<const std::byte> bytes() const;

  // Of inode, size, and times of the last changes, when it was opened: a file whose stamp is the
  // same has the same bytes (unless a program still writes through a mapping of it). Zero for one
  // that was changed so recently that its times may not show a further change.
  std::uint64_t stamp() const { return stamp_; }

  // Gives back the memory of what was read so far; it is mapped again when it is read again.
  void let_go() const;

 private:
  std::string name_;  // the path
  void* address_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t stamp_ = 0;
};

// What a path led to. Whatever the path names later, this stays the file or folder that was found.
class OpenPath {
 public:
  // Throws config::UserError when nothing can be opened there; `remedy` is for when nothing is.
  static OpenPath open(const std::string& path,
                       const std::string& remedy = "check the path of the model");
  OpenPath(OpenPath&& other) noexcept;
  OpenPath& operator=(OpenPath&&) = delete;
  ~OpenPath();

  const std::string& name() const { return name_; }

  bool is_folder() const { return is_folder_; }

  // The path of what was opened, where a link was named; without /proc, what was named.
  std::string target() const;

  // The file of this folder that has the name; nothing when there is none. Throws config::UserError
  // when it cannot be opened, and for a name that would leave the folder.
  std::optional<OpenPath> file(const std::string& name) const;

  // Throws config::UserError when it is no regular file, or empty.
  std::shared_ptr<const MappedFile> map() const;

 private:
  OpenPath(int descriptor, std::string name);

  int descriptor_ = -1;
  std::string name_;
  bool is_folder_ = false;
};

}  // namespace troupe::model
