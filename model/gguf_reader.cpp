#include "model/gguf_reader.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <utility>

#include "model/gguf_cursor.hpp"

namespace troupe::model {
namespace {

// A file of version 2 reads the same; version 3 only added files of the other byte order.
constexpr std::uint32_t kVersionMin = 2;
constexpr std::uint32_t kVersionMax = 3;
constexpr std::uint32_t kVersionForeignMax = kVersionMax << 24;  // of the other byte order
constexpr std::uint64_t kAlignmentDefault =
    32;  // bytes, where general.alignment is absent (specification)
constexpr std::uint64_t kAlignmentMax =
    1U << 16;  // bytes; beyond a page's worth, alignment serves nothing
constexpr std::uint64_t kTensorNameBytesMax =
    256;                                   // the specification has 64; some converters exceed it
constexpr std::uint64_t kKeysMax = 65536;  // real files have under a hundred
constexpr std::uint64_t kTensorsMax = 1U << 18;  // the largest mixtures of experts have some 10,000
constexpr std::uint64_t kDimensionsMax = 4;      // specification
constexpr std::uint64_t kDimensionMax = std::uint64_t{1}
                                        << 40;  // keeps sums of products far from overflow

std::string decimal(std::uint64_t value) { return std::to_string(value); }

struct Header {
  std::uint64_t tensors = 0;
  std::uint64_t keys = 0;
};

void check_version(const GgufCursor& cursor, std::uint32_t version) {
  if (version >= kVersionMin && version <= kVersionMax) return;
  if (version != 0 && version <= kVersionForeignMax && version << 8 == 0) {
    cursor.fail("the header", "is big-endian: get the little-endian file of this model");
  }
  cursor.fail(
      "version",
      decimal(version) + " is not supported, only GGUF versions 2 and 3: convert the model again");
}

Header read_header(GgufCursor& cursor) {
  if (cursor.remaining() == 0) cursor.fail("the file", "is empty: fetch it again");
  cursor.expect(4, "the header");
  const auto magic = cursor.number<std::uint32_t>("the header");
  if (magic != 0x46554747U) {  // "GGUF"
    cursor.fail("the file", "does not begin with GGUF: give a model file in GGUF format");
  }
  check_version(cursor, cursor.number<std::uint32_t>("version"));
  Header header;
  header.tensors = cursor.number<std::uint64_t>("tensor_count");
  header.keys = cursor.number<std::uint64_t>("metadata_kv_count");
  // A key takes at least its length (8), a byte, its type (4) and a value (1); a tensor its name's
  // length (8), a byte, the number of dimensions (4), a dimension (8), its type (4) and its offset
  // (8).
  if (header.keys > kKeysMax || header.keys > cursor.remaining() / 14) {
    cursor.fail("metadata_kv_count",
                decimal(header.keys) + " is more than the file can hold: fetch the file again");
  }
  if (header.tensors > kTensorsMax || header.tensors > cursor.remaining() / 33) {
    cursor.fail("tensor_count",
                decimal(header.tensors) + " is more than the file can hold: fetch the file again");
  }
  return header;
}

// A tensor as the directory has it; where its data lie is known only when the whole directory is
// read.
struct DirectoryEntry {
  TensorInfo info;
  std::uint64_t offset = 0;                // bytes from the start of the data section
  std::optional<std::uint64_t> size = {};  // bytes; none for a type that we do not know
};

// Bytes that the tensor's values take. Every product stays below 2^64: see the bound of each
// factor.
std::optional<std::uint64_t> tensor_bytes(const GgufCursor& cursor,
                                          const TensorInfo& info,
                                          const std::string& field) {
  std::uint64_t rows = 1;
  for (std::size_t i = 1; i < info.shape.size(); ++i) {
    if (info.shape[i] > kDimensionMax / rows) {
      cursor.fail(field,
                  "has more values than any file can hold: the file is damaged; fetch it again");
    }
    rows *= info.shape[i];
  }
  const kernels::BlockShape block = kernels::block_shape(info.type);
  if (block.values == 0) return std::nullopt;
  const std::uint64_t columns = info.shape[0];
  if (columns % block.values != 0) {
    cursor.fail(field,
                "has rows of " + decimal(columns) + " values, which " +
                    std::string(kernels::type_name(info.type)) + " cannot store in blocks of " +
                    decimal(block.values) + ": convert the model again");
  }
  const std::uint64_t row_bytes = columns / block.values * block.bytes;  // at most 2^40 × 4
  if (row_bytes > (std::uint64_t{1} << 62) / rows) {
    cursor.fail(field,
                "has more values than any file can hold: the file is damaged; fetch it again");
  }
  return row_bytes * rows;
}

DirectoryEntry read_entry(GgufCursor& cursor, std::uint64_t index) {
  DirectoryEntry entry;
  entry.info.name = cursor.string("name of tensor " + decimal(index), kTensorNameBytesMax);
  const std::string field = "tensor " + in_quotes(entry.info.name);
  if (entry.info.name.empty())
    cursor.fail("name of tensor " + decimal(index), "is empty: convert the model again");
  const auto dimensions = cursor.number<std::uint32_t>(field);
  if (dimensions == 0 || dimensions > kDimensionsMax) {
    cursor.fail(field,
                "has " + decimal(dimensions) +
                    " dimensions, not 1 to 4: the file is damaged; fetch it again");
  }
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto dimension = cursor.number<std::uint64_t>(field);
    if (dimension == 0 || dimension > kDimensionMax) {
      cursor.fail(
          field,
          "has a dimension of " + decimal(dimension) + ": the file is damaged; fetch it again");
    }
    entry.info.shape.push_back(dimension);
  }
  entry.info.type = kernels::TensorType{cursor.number<std::uint32_t>(field)};
  entry.offset = cursor.number<std::uint64_t>(field);
  entry.size = tensor_bytes(cursor, entry.info, field);
  return entry;
}

// The view of one tensor's data; `data_begin` is where the data section starts in the file.
std::span<const std::byte> locate(const GgufCursor& cursor,
                                  std::span<const std::byte> bytes,
                                  const DirectoryEntry& entry,
                                  std::uint64_t data_begin,
                                  std::uint64_t alignment) {
  const std::string field = "data of tensor " + in_quotes(entry.info.name);
  if (entry.offset % alignment != 0) {
    cursor.fail(field,
                "begins at offset " + decimal(entry.offset) +
                    ", which is not a multiple of the alignment " + decimal(alignment) +
                    ": convert the model again");
  }
  const std::uint64_t size = entry.size.value_or(0);
  const std::uint64_t section = data_begin <= bytes.size() ? bytes.size() - data_begin : 0;
  if (entry.offset > section || size > section - entry.offset) {
    cursor.fail(field,
                "lies beyond the end of the file (" + decimal(bytes.size()) +
                    " bytes): the file is cut off or damaged; fetch it again");
  }
  return data_begin <= bytes.size() ? bytes.subspan(data_begin + entry.offset, size)
                                    : std::span<const std::byte>();
}

std::uint64_t alignment_of(const GgufCursor& cursor, const Metadata& metadata) {
  const auto found = metadata.find("general.alignment");
  if (found == metadata.end()) return kAlignmentDefault;
  const auto* alignment = std::get_if<std::uint64_t>(&found->second);
  if (alignment == nullptr || *alignment < 8 || *alignment > kAlignmentMax ||
      !std::has_single_bit(*alignment)) {
    cursor.fail(
        "general.alignment",
        "must be a power of two from 8 to " + decimal(kAlignmentMax) + ": convert the model again");
  }
  return *alignment;
}

void sort_by_name(const GgufCursor& cursor, std::vector<TensorInfo>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return a.name < b.name;
  });
  const auto twin = std::adjacent_find(
      tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
        return a.name == b.name;
      });
  if (twin != tensors.end()) {
    cursor.fail("tensor " + in_quotes(twin->name), "occurs twice: convert the model again");
  }
}

}  // namespace

GgufContents read_gguf(std::span<const std::byte> bytes, const std::string& name) {
  GgufCursor cursor(bytes, name);
  const Header header = read_header(cursor);
  GgufContents contents;
  contents.metadata = read_metadata(cursor, header.keys);
  const std::uint64_t alignment = alignment_of(cursor, contents.metadata);

  std::vector<DirectoryEntry> entries;
  entries.reserve(header.tensors);
  for (std::uint64_t i = 0; i < header.tensors; ++i) entries.push_back(read_entry(cursor, i));

  const std::uint64_t data_begin = (cursor.position() + alignment - 1) / alignment * alignment;
  contents.tensors.reserve(entries.size());
  for (DirectoryEntry& entry : entries) {
    entry.info.data = locate(cursor, bytes, entry, data_begin, alignment);
    contents.tensors.push_back(std::move(entry.info));
  }
  sort_by_name(cursor, contents.tensors);
  return contents;
}

}  // namespace troupe::model
