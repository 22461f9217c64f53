#include "model/gguf_values.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::model {
namespace {

constexpr std::uint64_t kKeyBytesMax = 65535;        // specification
constexpr std::uint64_t kStringBytesMax = 1U << 24;  // the longest chat templates have 0.1 MB
// Elements of all arrays together. The largest vocabularies (tokens, types, scores, merges)
// have 1.3 million; an element takes up to 32 bytes of memory for 1 byte of file, so this bounds
// the whole at 256 MB.
constexpr std::uint64_t kArrayElementsMax = 1U << 23;

// The value types of the format, by their numbers.
enum class ValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// Fewest bytes that one value of `type` can take in the file; 0 for a type that may not be an
// element.
std::uint64_t value_bytes_min(ValueType type) {
  switch (type) {
    case ValueType::kUint8:
    case ValueType::kInt8:
    case ValueType::kBool:
      return 1;
    case ValueType::kUint16:
    case ValueType::kInt16:
      return 2;
    case ValueType::kUint32:
    case ValueType::kInt32:
    case ValueType::kFloat32:
      return 4;
    case ValueType::kString:  // its length
    case ValueType::kUint64:
    case ValueType::kInt64:
    case ValueType::kFloat64:
      return 8;
    case ValueType::kArray:
      break;
  }
  return 0;
}

std::string decimal(std::uint64_t value) { return std::to_string(value); }

// Every integer becomes one of the two widest types, which is all that callers tell apart.
template <typename Stored, typename Kept>
std::vector<Kept> read_elements(GgufCursor& cursor, const std::string& field, std::uint64_t count) {
  std::vector<Kept> values;
  values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<Kept>(cursor.number<Stored>(field)));
  }
  return values;
}

bool read_bool(GgufCursor& cursor, const std::string& field) {
  const auto byte = cursor.number<std::uint8_t>(field);
  if (byte > 1)
    cursor.fail(field, "is a bool but neither 0 nor 1: the file is damaged; fetch it again");
  return byte == 1;
}

// Metadata values, with the budget of array elements that they share.
class ValueReader {
 public:
  explicit ValueReader(GgufCursor& cursor) : cursor_(cursor) {}

  MetadataValue read(const std::string& field) {
    const auto type = ValueType{cursor_.number<std::uint32_t>(field)};
    return type == ValueType::kArray ? read_array(field) : read_scalar(type, field);
  }

 private:
  MetadataValue read_scalar(ValueType type, const std::string& field) {
    switch (type) {
      case ValueType::kUint8:
        return std::uint64_t{cursor_.number<std::uint8_t>(field)};
      case ValueType::kInt8:
        return std::int64_t{cursor_.number<std::int8_t>(field)};
      case ValueType::kUint16:
        return std::uint64_t{cursor_.number<std::uint16_t>(field)};
      case ValueType::kInt16:
        return std::int64_t{cursor_.number<std::int16_t>(field)};
      case ValueType::kUint32:
        return std::uint64_t{cursor_.number<std::uint32_t>(field)};
      case ValueType::kInt32:
        return std::int64_t{cursor_.number<std::int32_t>(field)};
      case ValueType::kUint64:
        return cursor_.number<std::uint64_t>(field);
      case ValueType::kInt64:
        return cursor_.number<std::int64_t>(field);
      case ValueType::kFloat32:
        return static_cast<double>(cursor_.number<float>(field));
      case ValueType::kFloat64:
        return cursor_.number<double>(field);
      case ValueType::kBool:
        return read_bool(cursor_, field);
      case ValueType::kString:
        return std::string(cursor_.string(field, kStringBytesMax));
      case ValueType::kArray:
        break;
    }
    fail_type(type, field);
  }

  MetadataValue read_array(const std::string& field) {
    const auto type = ValueType{cursor_.number<std::uint32_t>(field)};
    if (type == ValueType::kArray) {
      cursor_.fail(field,
                   "is an array of arrays, which no known model needs: convert the model again");
    }
    const std::uint64_t bytes_min = value_bytes_min(type);
    if (bytes_min == 0) fail_type(type, field);
    const auto count = cursor_.number<std::uint64_t>(field);
    if (count > cursor_.remaining() / bytes_min) {
      cursor_.fail(field,
                   "claims " + decimal(count) +
                       " elements, more than the file can hold: the file is cut off or damaged; "
                       "fetch it again");
    }
    if (count > elements_left_) {
      cursor_.fail(field,
                   "brings the metadata arrays over " + decimal(kArrayElementsMax) +
                       " elements, which no known model needs: convert the model again");
    }
    elements_left_ -= count;
    return read_array_of(type, field, count);
  }

  MetadataValue read_array_of(ValueType type, const std::string& field, std::uint64_t count) {
    switch (type) {
      case ValueType::kUint8:
        return read_elements<std::uint8_t, std::uint64_t>(cursor_, field, count);
      case ValueType::kInt8:
        return read_elements<std::int8_t, std::int64_t>(cursor_, field, count);
      case ValueType::kUint16:
        return read_elements<std::uint16_t, std::uint64_t>(cursor_, field, count);
      case ValueType::kInt16:
        return read_elements<std::int16_t, std::int64_t>(cursor_, field, count);
      case ValueType::kUint32:
        return read_elements<std::uint32_t, std::uint64_t>(cursor_, field, count);
      case ValueType::kInt32:
        return read_elements<std::int32_t, std::int64_t>(cursor_, field, count);
      case ValueType::kUint64:
        return read_elements<std::uint64_t, std::uint64_t>(cursor_, field, count);
      case ValueType::kInt64:
        return read_elements<std::int64_t, std::int64_t>(cursor_, field, count);
      case ValueType::kFloat32:
        return read_elements<float, double>(cursor_, field, count);
      case ValueType::kFloat64:
        return read_elements<double, double>(cursor_, field, count);
      case ValueType::kBool:
        return read_bools(field, count);
      case ValueType::kString:
        return read_strings(field, count);
      case ValueType::kArray:
        break;
    }
    fail_type(type, field);
  }

  std::vector<bool> read_bools(const std::string& field, std::uint64_t count) {
    std::vector<bool> values(count);
    for (std::uint64_t i = 0; i < count; ++i) values[i] = read_bool(cursor_, field);
    return values;
  }

  std::vector<std::string> read_strings(const std::string& field, std::uint64_t count) {
    std::vector<std::string> values;
    values.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      values.emplace_back(cursor_.string(field, kStringBytesMax));
    }
    return values;
  }

  [[noreturn]] void fail_type(ValueType type, const std::string& field) const {
    cursor_.fail(field,
                 "has value type " + decimal(static_cast<std::uint32_t>(type)) +
                     ", which GGUF version 3 does not define: the file is damaged; fetch it again");
  }

  GgufCursor& cursor_;
  std::uint64_t elements_left_ = kArrayElementsMax;
};

}  // namespace

Metadata read_metadata(GgufCursor& cursor, std::uint64_t keys) {
  Metadata metadata;
  ValueReader values(cursor);
  for (std::uint64_t i = 0; i < keys; ++i) {
    const std::string index = "metadata key " + decimal(i);
    const std::string key(cursor.string(index, kKeyBytesMax));
    if (key.empty()) cursor.fail(index, "is empty: convert the model again");
    const std::string field = "metadata " + in_quotes(key);
    if (!metadata.try_emplace(key, values.read(field)).second) {
      cursor.fail(field, "occurs twice: convert the model again");
    }
  }
  return metadata;
}

}  // namespace troupe::model
