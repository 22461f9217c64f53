// A gateway core with a ready node behind it, and short words for its inputs and effects.
#pragma once

#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "actors/gateway/gateway_core.hpp"
#include "messages/wire_kinds.hpp"

namespace troupe::actors::gateway::tests {

inline constexpr std::uint64_t kEpoch = 3;
inline constexpr std::uint64_t kFirstId = (kEpoch << 40) | 1;

inline GatewayCoreOptions core_options() {
  return {.front_epoch = kEpoch,
          .model = "tiny",
          .context_max = 2048,
          .started_unix = 1'700'000'000,
          .version = "0.1.0",
          .draw_seed = [] { return std::uint64_t{77}; }};
}

// All effects of one kind, in order.
template <class Wanted>
std::vector<Wanted> all(const Effects& effects) {
  std::vector<Wanted> found;
  for (const Effect& effect : effects) {
    if (const auto* one = std::get_if<Wanted>(&effect)) found.push_back(*one);
  }
  return found;
}

// The only effect of a kind.
template <class Wanted>
Wanted only(const Effects& effects) {
  const auto found = all<Wanted>(effects);
  BOOST_REQUIRE_EQUAL(found.size(), 1U);
  return found.front();
}

// What all stream writes say.
inline std::string written(const Effects& effects) {
  std::string text;
  for (const auto& write : all<HttpStreamWrite>(effects)) text += write.bytes;
  return text;
}

// How often `part` is in `text`.
inline std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

inline messages::ReplyChunk accepted_chunk(std::uint64_t id) {
  return {.request_id = id, .kind = messages::ChunkKind::kAccepted};
}

inline messages::ReplyChunk text_chunk(std::uint64_t id,
                                       std::string text,
                                       std::uint32_t token_begin = 0) {
  messages::ReplyChunk chunk{.request_id = id, .kind = messages::ChunkKind::kText};
  chunk.text = std::move(text);
  chunk.token_begin = token_begin;
  chunk.token_end = token_begin + 1;
  chunk.tokens = {static_cast<std::int32_t>(100 + token_begin)};
  return chunk;
}

inline messages::ReplyChunk final_chunk(
    std::uint64_t id, messages::FinishReason finish = messages::FinishReason::kStop) {
  messages::ReplyChunk chunk{.request_id = id, .kind = messages::ChunkKind::kFinal};
  chunk.finish = finish;
  chunk.prompt_tokens = 5;
  chunk.produced_tokens = 2;
  chunk.cached_tokens = 3;
  return chunk;
}

inline messages::ReplyChunk error_chunk(std::uint64_t id, messages::FailureCode code) {
  messages::ReplyChunk chunk{.request_id = id, .kind = messages::ChunkKind::kError};
  chunk.failure = {.request_id = id, .code = code, .message = "why", .retry_after_ms = 2'500};
  return chunk;
}

struct CoreFixture {
  CoreFixture() { core.on_readiness({.ready = true, .numerics_id = "n1"}); }

  Effects get(const std::string& target) {
    return core.on_http({.connection = 1, .method = "GET", .target = target, .body = {}}, now);
  }

  Effects chat(ConnectionId connection, const std::string& fields = "") {
    return core.on_http(
        {.connection = connection,
         .method = "POST",
         .target = "/v1/chat/completions",
         .body = R"({"messages": [{"role": "user", "content": "Hi"}])" + fields + "}"},
        now);
  }

  Effects complete(ConnectionId connection, const std::string& fields) {
    return core.on_http({.connection = connection,
                         .method = "POST",
                         .target = "/v1/completions",
                         .body = "{" + fields + "}"},
                        now);
  }

  template <class Message>
  Effects client(const std::string& peer, const Message& message) {
    return core.on_frame(peer, messages::encode(message, 0), now);
  }

  Effects chunk(const messages::ReplyChunk& chunk) { return core.on_chunks({{chunk}}, now); }

  // An exception over the call `id` at `place`.
  void fail_at(std::string place, std::uint64_t id) { faults.emplace_back(std::move(place), id); }

  std::vector<std::pair<std::string, std::uint64_t>> faults;
  GatewayCore core{[this] {
    GatewayCoreOptions options = core_options();
    options.probe = [this](std::string_view place, std::uint64_t id) {
      for (const auto& [where, whose] : faults) {
        if (where == place && whose == id) throw std::runtime_error("on purpose");
      }
    };
    return options;
  }()};
  Now now{.mono_ms = 1'000, .unix_s = 1'700'000'100};
};

// The only frame sent, decoded.
template <class Message>
Message only_frame(const Effects& effects) {
  const auto sends = all<ZmqSend>(effects);
  BOOST_REQUIRE_EQUAL(sends.size(), 1U);
  messages::Header header;
  BOOST_REQUIRE_EQUAL(messages::read_header(sends.front().frame, header), "");
  BOOST_REQUIRE_EQUAL(static_cast<int>(header.kind), static_cast<int>(messages::kKindOf<Message>));
  Message message;
  BOOST_REQUIRE_EQUAL(messages::decode(sends.front().frame, message), "");
  return message;
}

// The kinds of all frames sent, in order.
inline std::vector<int> frame_kinds(const Effects& effects) {
  std::vector<int> kinds;
  for (const auto& send : all<ZmqSend>(effects)) {
    messages::Header header;
    BOOST_REQUIRE_EQUAL(messages::read_header(send.frame, header), "");
    kinds.push_back(static_cast<int>(header.kind));
  }
  return kinds;
}

// The `nth` frame sent, decoded.
template <class Message>
Message frame_at(const Effects& effects, std::size_t nth) {
  const auto sends = all<ZmqSend>(effects);
  BOOST_REQUIRE_GT(sends.size(), nth);
  Message message;
  BOOST_REQUIRE_EQUAL(messages::decode(sends[nth].frame, message), "");
  return message;
}

}  // namespace troupe::actors::gateway::tests
