// The body of an HTTP request of any bytes, to both endpoints: it is answered at once or goes on as
// requests that the next stage can read.
#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/fuzz/gateway.hpp"

using namespace troupe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  actors::gateway::GatewayCore core = fuzz::ready_gateway();
  std::uint64_t connection = 0;
  for (const char* target : {"/v1/chat/completions", "/v1/completions"}) {
    const actors::gateway::Effects effects = core.on_http(
        {.connection = ++connection, .method = "POST", .target = target, .body = body}, {});
    CHECK(!effects.empty(), "every request has a consequence");
    fuzz::check_requests(effects);
  }
  core.fail_all({});
  CHECK(core.open_calls() == 0, "nothing is left behind");
  return 0;
}
