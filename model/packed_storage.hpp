// The packed bytes of a model: mapped from a cache file, or made when there is none that fits, by
// one process at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace troupe::model {

class ModelFile;

// Payload of a cache file, read-only, or of memory where no file could be written.
class PackedStorage {
 public:
  virtual ~PackedStorage() = default;
  virtual std::span<const std::byte> payload() const = 0;

  // Of the payload and of all that it was made of, 16 hexadecimal digits: what has the same id
  // gives the same answers.
  virtual const std::string& id() const = 0;
};

struct Packing {
  std::filesystem::path file;  // empty: memory
  // For where the file cannot be written: memory that processes share (MemoryFileLock). Empty: this
  // process keeps its own.
  std::filesystem::path memory_file;
  std::size_t payload_bytes = 0;  // a multiple of 64
  const ModelFile& source;        // whose weights the payload is made of
  std::string key;                // what else it depends on, at most 128 bytes

  // Fills the payload, which is zeroed and 64-byte aligned. `let_go` gives back the memory of what
  // is written so far (the file keeps it): to be called now and then, so that packing a model takes
  // less memory than running it.
  std::function<void(std::span<std::byte> payload, const std::function<void()>& let_go)> fill;
  std::function<void(bool begins)> on_waiting;  // before and after, for another one; may be empty
  std::function<void(const std::string&)> progress;  // may be empty
  std::function<void(const std::string&)> notice;  // why the payload stays in memory; may be empty
  // For each 32 MiB that were checked or allocated: who looks on sees that a slow disk gets on. May
  // be empty.
  std::function<void()> on_part;
};

// Maps packing.file when it is whole, has the key, and was made of these weights; else packs it
// under another name and renames, so that nobody sees half of one. All weights are read when they
// are packed, and after that when their file has another stamp than it had then (mapped_file.hpp).
// A process that finds another one packing waits for it, and then maps the same file; what a killed
// one left is packed anew. Where the file cannot be written (a folder that is read-only or full)
// the payload goes into packing.memory_file in the same way, or else into this process's memory.
std::shared_ptr<const PackedStorage> open_or_pack(const Packing& packing);

}  // namespace troupe::model
