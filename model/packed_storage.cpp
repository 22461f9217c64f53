#include "model/packed_storage.hpp"

#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "model/checksum.hpp"
#include "model/model_file.hpp"
#include "model/packed_file.hpp"
#include "model/weights.hpp"

namespace troupe::model {
namespace {

std::string id_of(const PackedSeal& seal) {
  const std::array<std::uint64_t, 2> words{seal.payload_checksum, seal.source.fingerprint};
  return hexadecimal(checksum(std::as_bytes(std::span(words))));
}

class Storage final : public PackedStorage {
 public:
  Storage(MappedBytes bytes, const PackedSeal& seal) : bytes_(std::move(bytes)), id_(id_of(seal)) {}

  std::span<const std::byte> payload() const override {
    return std::span<const std::byte>(bytes_.bytes()).subspan(kPackedHeaderBytes);
  }

  const std::string& id() const override { return id_; }

 private:
  MappedBytes bytes_;
  std::string id_;
};

using Shared = std::shared_ptr<const PackedStorage>;

std::size_t file_bytes(const Packing& packing) {
  return kPackedHeaderBytes + packing.payload_bytes;
}

std::uint64_t fingerprint_of(const Packing& packing) {
  return weights_fingerprint(packing.source, [&packing] {
    packing.source.let_go();
    if (packing.on_part) packing.on_part();
  });
}

// The stamp of the model's file, together with the weights that it had then: one that gets into a
// packed file of other weights (they were exchanged while these were hashed) fits nothing there.
std::uint64_t stamp_of(const Packing& packing, std::uint64_t fingerprint) {
  const std::array<std::uint64_t, 2> words{packing.source.stamp(), fingerprint};
  return words[0] == 0 ? 0 : checksum(std::as_bytes(std::span(words)));
}

bool is_made_of(const PackedSource& source,
                const Packing& packing,
                const std::filesystem::path& file) {
  const std::uint64_t stamp = stamp_of(packing, source.fingerprint);
  if (stamp != 0 && stamp == source.stamp) return true;
  if (fingerprint_of(packing) != source.fingerprint) return false;
  if (stamp != 0) stamp_packed(file, stamp);
  return true;
}

Shared open_existing(const Packing& packing, const std::filesystem::path& file) {
  std::optional<MappedBytes> mapping = map_packed_file(file, file_bytes(packing));
  if (!mapping) return nullptr;
  const std::optional<PackedSeal> seal =
      verify_packed(mapping->bytes(), packing.key, packing.on_part);
  if (!seal || !is_made_of(seal->source, packing, file)) return nullptr;
  return std::make_shared<Storage>(std::move(*mapping), *seal);
}

// Fills and seals `file`. The weights are hashed before they are used: what changes them meanwhile
// changes their stamp, too.
PackedSeal pack(std::span<std::byte> file,
                const Packing& packing,
                const std::function<void()>& let_go) {
  const std::uint64_t fingerprint = fingerprint_of(packing);
  const PackedSource source{fingerprint, stamp_of(packing, fingerprint)};
  packing.fill(file.subspan(kPackedHeaderBytes), let_go);
  return seal_packed(file, packing.key, source, packing.on_part);
}

// The draft is closed, and its pages given back, before the file is opened again. Returns errno.
int pack_into(PackedFileDraft draft, const Packing& packing) {
  pack(draft.bytes(), packing, [&draft] { draft.let_go(); });
  return draft.publish();
}

void tell_refusal(const Packing& packing,
                  const std::filesystem::path& file,
                  const std::string& why) {
  if (!packing.notice) return;
  packing.notice(file.string() + " cannot be written (" + why +
                 "): packed weights stay in memory and are packed at every start; make room for "
                 "the file, or put the model where it can be written");
}

std::function<void(bool begins)> told_waiting(const Packing& packing) {
  return [&packing](bool begins) {
    if (packing.on_waiting) packing.on_waiting(begins);
    if (!begins || !packing.progress) return;
    packing.progress("another process is packing " + packing.file.string() + ": waiting for it");
  };
}

// Null, and said, where it cannot be written.
Shared pack_file(const Packing& packing) {
  // Twice: whoever was waited for may have failed, or have packed another model under this name.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (Shared storage = open_existing(packing, packing.file)) return storage;
    DraftResult result = PackedFileDraft::create(
        packing.file, file_bytes(packing), told_waiting(packing), packing.on_part);
    if (result.made_by_another) continue;
    if (!result.draft) {
      tell_refusal(packing, result.refused, std::strerror(result.error));
      return nullptr;
    }
    if (const int error = pack_into(std::move(*result.draft), packing); error != 0) {
      tell_refusal(packing, packing.file, std::strerror(error));
      return nullptr;
    }
  }
  Shared storage = open_existing(packing, packing.file);
  if (!storage) tell_refusal(packing, packing.file, "other processes pack other weights into it");
  return storage;
}

// Null where there is no such memory, or where it has other weights, which another process may be
// reading.
Shared pack_memory_file(const Packing& packing) {
  auto lock = MemoryFileLock::take(packing.memory_file, told_waiting(packing));
  if (!lock) return nullptr;
  if (!lock->is_sealed()) {
    const std::optional<MappedBytes> room = lock->make_room(file_bytes(packing), packing.on_part);
    if (!room) return nullptr;
    pack(room->bytes(), packing, [] {});
  }
  return open_existing(packing, packing.memory_file);
}

}  // namespace

Shared open_or_pack(const Packing& packing) {
  if (!packing.file.empty()) {
    if (Shared storage = pack_file(packing)) return storage;
  }
  if (!packing.memory_file.empty()) {
    if (Shared storage = pack_memory_file(packing)) return storage;
  }
  MappedBytes memory = anonymous_bytes(file_bytes(packing));
  const PackedSeal seal = pack(memory.bytes(), packing, [] {});
  return std::make_shared<Storage>(std::move(memory), seal);
}

}  // namespace troupe::model
