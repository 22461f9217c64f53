// Frames of the public ZeroMQ protocol from one client, of any bytes: a frame begins wherever the
// magic stands. Each is answered with frames that can be read, or goes on as a request.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/fuzz/gateway.hpp"

using namespace troupe;

namespace {

void check_frames(const actors::gateway::Effects& effects) {
  for (const actors::gateway::Effect& effect : effects) {
    const auto* send = std::get_if<actors::gateway::ZmqSend>(&effect);
    if (send == nullptr) continue;
    messages::Header header;
    msgpack::object_handle body;
    CHECK(messages::read_header(send->frame, header).empty(), "a reply has a header");
    CHECK(messages::unpack_body(send->frame, body).empty(), "a reply has a body");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  actors::gateway::GatewayCore core = fuzz::ready_gateway();
  std::int64_t now_ms = 0;
  while (!rest.empty()) {
    const std::string_view frame = rest.substr(0, rest.find(messages::kMagic, 1));
    rest.remove_prefix(frame.size());
    const actors::gateway::Effects effects = core.on_frame("client", frame, {.mono_ms = ++now_ms});
    check_frames(effects);
    fuzz::check_requests(effects);
  }
  check_frames(core.fail_all({.mono_ms = now_ms}));
  CHECK(core.open_calls() == 0, "nothing is left behind");
  return 0;
}
