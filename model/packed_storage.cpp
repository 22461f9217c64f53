#include "model/packed_storage.hpp"

#include <optional>
#include <utility>

#include "model/packed_file.hpp"

namespace troupe::model {
namespace {

class Storage final : public PackedStorage {
 public:
  Storage(MappedBytes bytes, std::uint64_t checksum)
      : bytes_(std::move(bytes)), checksum_(checksum) {}

  std::span<const std::byte> payload() const override {
    return std::span<const std::byte>(bytes_.bytes()).subspan(kPackedHeaderBytes);
  }

  std::uint64_t checksum() const override { return checksum_; }

 private:
  MappedBytes bytes_;
  std::uint64_t checksum_;
};

using Shared = std::shared_ptr<const PackedStorage>;

void say(const Packing& packing, const std::string& text) {
  if (packing.progress) packing.progress(text);
}

std::size_t file_bytes(const Packing& packing) {
  return kPackedHeaderBytes + packing.payload_bytes;
}

Shared open_existing(const Packing& packing) {
  std::optional<MappedBytes> mapping = map_packed_file(packing.file, file_bytes(packing));
  if (!mapping) return nullptr;
  const std::optional<std::uint64_t> hash =
      verify_packed(mapping->bytes(), packing.key, packing.on_part);
  if (!hash) return nullptr;
  return std::make_shared<Storage>(std::move(*mapping), *hash);
}

// The draft is closed, and its pages given back, before the file is opened again.
bool pack_into(PackedFileDraft draft, const Packing& packing) {
  packing.fill(draft.bytes().subspan(kPackedHeaderBytes), [&draft] { draft.let_go(); });
  seal_packed(draft.bytes(), packing.key, packing.on_part);
  return draft.publish();
}

Shared pack_file(const Packing& packing) {
  const auto waiting = [&packing](bool begins) {
    if (packing.on_waiting) packing.on_waiting(begins);
    if (!begins) return;
    say(packing, "another process is packing " + packing.file.string() + ": waiting for it");
  };
  // Twice: whoever was waited for may have failed, or have packed another model under this name.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (Shared storage = open_existing(packing)) return storage;
    DraftResult result =
        PackedFileDraft::create(packing.file, file_bytes(packing), waiting, packing.on_part);
    if (result.made_by_another) continue;
    if (!result.draft || !pack_into(std::move(*result.draft), packing)) return nullptr;
  }
  return open_existing(packing);
}

}  // namespace

Shared open_or_pack(const Packing& packing) {
  if (!packing.file.empty()) {
    if (Shared storage = pack_file(packing)) return storage;
    say(packing, packing.file.string() + " cannot be written: packed weights stay in memory");
  }
  MappedBytes memory = anonymous_bytes(file_bytes(packing));
  packing.fill(memory.bytes().subspan(kPackedHeaderBytes), [] {});
  const std::uint64_t hash = seal_packed(memory.bytes(), packing.key, packing.on_part);
  return std::make_shared<Storage>(std::move(memory), hash);
}

}  // namespace troupe::model
