#include "model/safetensors.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "model/gguf_cursor.hpp"
#include "model/json_tree.hpp"

namespace troupe::model {
namespace {

// The bound of the reference, safetensors/src/tensor.rs: MAX_HEADER_SIZE.
constexpr std::uint64_t kHeaderBytesMax = 100'000'000;
constexpr std::size_t kTensorsMax =
    std::size_t{1} << 18;  // the largest mixtures of experts have some 10,000 a file
constexpr std::size_t kNameBytesMax = 256;        // real names have under 80
constexpr std::size_t kDimensionsMax = 8;         // weights have at most four
constexpr std::uint64_t kValuesMax = 1ULL << 48;  // keeps sizes in bits far from overflow

struct Dtype {
  std::string_view name;
  std::uint64_t bits;
};

// Of one value. Types of less than a byte are packed. Source: safetensors/src/tensor.rs, Dtype.
constexpr Dtype kDtypes[] = {{"F4", 4},      {"F6_E2M3", 6},     {"F6_E3M2", 6},     {"BOOL", 8},
                             {"U8", 8},      {"I8", 8},          {"F8_E4M3", 8},     {"F8_E5M2", 8},
                             {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
                             {"U16", 16},    {"F16", 16},        {"BF16", 16},       {"I32", 32},
                             {"U32", 32},    {"F32", 32},        {"F64", 64},        {"I64", 64},
                             {"U64", 64},    {"C64", 64}};

class Directory {
 public:
  Directory(std::span<const std::byte> data, const GgufCursor& cursor)
      : data_(data), cursor_(cursor) {}

  SafeTensor tensor(const JsonMember& member) const {
    const std::string field = "tensor " + in_quotes(member.key);
    if (member.key.empty() || member.key.size() > kNameBytesMax ||
        member.key.find('\0') != std::string::npos) {
      cursor_.fail(field,
                   "has a name that is empty, has a zero byte or more than " +
                       std::to_string(kNameBytesMax) + " bytes: convert the model again");
    }
    SafeTensor tensor;
    tensor.name = member.key;
    tensor.dtype = text_of(field, member.value, "dtype");
    tensor.shape = counts_of(field, member.value, "shape", kDimensionsMax);
    tensor.data = locate(field, member.value);
    check_size(field, tensor);
    return tensor;
  }

  // Every byte of the data belongs to one tensor: no two share any, and none is hidden between.
  void check_cover(std::vector<SafeTensor>& tensors) const {
    std::sort(tensors.begin(), tensors.end(), [](const SafeTensor& a, const SafeTensor& b) {
      return std::pair(a.data.data(), a.data.size()) < std::pair(b.data.data(), b.data.size());
    });
    const std::byte* end = data_.data();
    for (const SafeTensor& tensor : tensors) {
      if (tensor.data.data() != end) {
        cursor_.fail("data of tensor " + in_quotes(tensor.name),
                     tensor.data.data() < end
                         ? "overlap those of another: convert the model again"
                         : "come after bytes of no tensor: convert the model again");
      }
      end += tensor.data.size();
    }
    if (end != data_.data() + data_.size())
      cursor_.fail("the file", "goes on after its last tensor: fetch it again");
  }

 private:
  const JsonTree& member_of(const std::string& field,
                            const JsonTree& entry,
                            const std::string& key) const {
    const JsonTree* found = entry.find(key);
    if (found == nullptr) cursor_.fail(field, "has no " + key + ": convert the model again");
    return *found;
  }

  std::string text_of(const std::string& field,
                      const JsonTree& entry,
                      const std::string& key) const {
    const std::string* text = member_of(field, entry, key).text();
    if (text == nullptr)
      cursor_.fail(field, "has a " + key + " that is no text: convert the model again");
    return *text;
  }

  std::vector<std::uint64_t> counts_of(const std::string& field,
                                       const JsonTree& entry,
                                       const std::string& key,
                                       std::size_t max) const {
    const JsonTree::Array* array = member_of(field, entry, key).array();
    std::vector<std::uint64_t> counts;
    if (array != nullptr && array->size() <= max) {
      for (const JsonTree& value : *array) {
        if (const auto count = value.count()) counts.push_back(*count);
      }
    }
    if (array == nullptr || counts.size() != array->size()) {
      cursor_.fail(field,
                   "has a " + key + " that is no list of at most " + std::to_string(max) +
                       " whole numbers: convert the model again");
    }
    return counts;
  }

  std::span<const std::byte> locate(const std::string& field, const JsonTree& entry) const {
    const std::vector<std::uint64_t> offsets = counts_of(field, entry, "data_offsets", 2);
    if (offsets.size() != 2 || offsets[0] > offsets[1])
      cursor_.fail(field, "has data_offsets that are no range: convert the model again");
    if (offsets[1] > data_.size()) {
      cursor_.fail(field,
                   "lies beyond the end of the file: the file is cut off or damaged; fetch it "
                   "again");
    }
    return data_.subspan(offsets[0], offsets[1] - offsets[0]);
  }

  void check_size(const std::string& field, const SafeTensor& tensor) const {
    const auto* dtype = std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](const Dtype& d) {
      return d.name == tensor.dtype;
    });
    if (dtype == std::end(kDtypes)) {
      cursor_.fail(field,
                   "has dtype " + in_quotes(tensor.dtype) +
                       ", which is not known: give a model in BF16, F16 or F32");
    }
    std::uint64_t values = 1;
    for (const std::uint64_t size : tensor.shape) {
      if (size != 0 && values > kValuesMax / size)
        cursor_.fail(field, "has more values than any file: convert the model again");
      values *= size;
    }
    if (values * dtype->bits != tensor.data.size() * 8) {
      cursor_.fail(field,
                   "has " + std::to_string(tensor.data.size()) + " bytes for " +
                       std::to_string(values) + " values of " + tensor.dtype +
                       ": convert the model again");
    }
  }

  std::span<const std::byte> data_;  // after the header
  const GgufCursor& cursor_;
};

}  // namespace

std::vector<SafeTensor> read_safetensors(std::span<const std::byte> bytes,
                                         const std::string& name) {
  GgufCursor cursor(bytes, name);
  cursor.expect(8, "the header");
  const std::string_view header = cursor.string("the header", kHeaderBytesMax);
  const JsonTree tree = read_json(header, name);
  if (tree.object() == nullptr)
    cursor.fail("the header", "is no JSON object: give a file in safetensors format");
  if (tree.object()->size() > kTensorsMax)
    cursor.fail("the header", "lists more than " + std::to_string(kTensorsMax) + " tensors");
  const Directory directory(bytes.subspan(cursor.position()), cursor);
  std::vector<SafeTensor> tensors;
  for (const JsonMember& member : *tree.object()) {
    if (member.key != "__metadata__") tensors.push_back(directory.tensor(member));
  }
  directory.check_cover(tensors);
  return tensors;
}

}  // namespace troupe::model
