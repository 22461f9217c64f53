#include "messages/wire.hpp"

#include <cstring>

namespace troupe::messages {
namespace {

// A container's declared length makes the reader allocate before its items arrive (24 bytes an item
// in msgpack-c), so each is bounded: no message of ours nests deeper than 6 or holds more than a
// few thousand items. Token lists are `bin`.
constexpr std::size_t kArrayItemsMax = 16'384;
constexpr std::size_t kMapItemsMax = 256;
constexpr std::size_t kDepthMax = 12;
// Text and binary items are bounded by the frame itself; these bounds only refuse lies early.
constexpr std::size_t kItemBytesMax = std::size_t{64} << 20;

template <class Integer>
void append_little_endian(std::string& out, Integer value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

void append_header(std::string& frame, const Header& header) {
  frame.append(kMagic);
  append_little_endian(frame, header.version_major);
  append_little_endian(frame, header.version_minor);
  append_little_endian(frame, static_cast<std::uint16_t>(header.kind));
  append_little_endian(frame, header.epoch);
}

WireError read_header(std::string_view frame, Header& header) {
  if (frame.size() < kHeaderBytes) {
    return "the frame has " + std::to_string(frame.size()) + " bytes, a header has 16";
  }
  if (!frame.starts_with(kMagic)) return "the frame does not begin with TRPE";
  std::uint16_t kind = 0;
  header.version_major = static_cast<std::uint8_t>(frame[4]);
  header.version_minor = static_cast<std::uint8_t>(frame[5]);
  std::memcpy(&kind, frame.data() + 6, sizeof kind);
  std::memcpy(&header.epoch, frame.data() + 8, sizeof header.epoch);
  header.kind = static_cast<Kind>(kind);
  if (header.version_major != kVersionMajor) {
    return "protocol version " + std::to_string(header.version_major) +
           " is not spoken here, only " + std::to_string(kVersionMajor);
  }
  return {};
}

WireError unpack_body(std::string_view frame, msgpack::object_handle& body) {
  const std::string_view bytes = frame.substr(std::min(frame.size(), kHeaderBytes));
  const msgpack::unpack_limit limit(
      kArrayItemsMax, kMapItemsMax, kItemBytesMax, kItemBytesMax, kItemBytesMax, kDepthMax);
  try {
    std::size_t offset = 0;
    body = msgpack::unpack(bytes.data(), bytes.size(), offset, nullptr, nullptr, limit);
    if (offset != bytes.size()) return "bytes follow the msgpack body";
  } catch (const msgpack::insufficient_bytes&) {
    return "the msgpack body is cut short";
  } catch (const msgpack::size_overflow&) {
    return "the msgpack body nests too deep or declares a container over its limit";
  } catch (const msgpack::unpack_error&) {
    return "the body is not msgpack";
  }
  return {};
}

}  // namespace troupe::messages
