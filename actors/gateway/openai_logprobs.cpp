#include "actors/gateway/openai_logprobs.hpp"

#include <algorithm>
#include <cmath>

#include "actors/gateway/openai_reply.hpp"
#include "model/utf8.hpp"

namespace troupe::actors::gateway {
namespace {

using messages::TokenAlternative;
using messages::TokenLogprob;

// JSON has no infinity; OpenAI writes this for what is impossible.
constexpr float kLogprobMin = -9999.0F;

double finite(float logprob) {
  return std::isfinite(logprob) ? static_cast<double>(logprob) : static_cast<double>(kLogprobMin);
}

ReplyJson bytes_json(const std::string& bytes) {
  ReplyJson list = ReplyJson::array();
  for (const char byte : bytes) list.push_back(static_cast<unsigned char>(byte));
  return list;
}

ReplyJson alternative_json(const TokenAlternative& alternative) {
  return {{"token", model::utf8::replace_invalid(alternative.bytes)},
          {"logprob", finite(alternative.logprob)},
          {"bytes", bytes_json(alternative.bytes)}};
}

// Tokens that are parts of characters stay apart in a map: OpenAI's notation for them.
std::string completion_token(const std::string& bytes) {
  if (model::utf8::valid_prefix(bytes) == bytes.size()) return bytes;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "bytes:";
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    out += "\\x";
    out += kHex[value >> 4];
    out += kHex[value & 15];
  }
  return out;
}

}  // namespace

ReplyJson chat_logprobs(std::span<const TokenLogprob> logprobs) {
  ReplyJson content = ReplyJson::array();
  for (const TokenLogprob& logprob : logprobs) {
    ReplyJson item = alternative_json(logprob.chosen);
    ReplyJson top = ReplyJson::array();
    for (const TokenAlternative& other : logprob.top) top.push_back(alternative_json(other));
    item["top_logprobs"] = std::move(top);
    content.push_back(std::move(item));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

ReplyJson completion_logprobs(std::span<const TokenLogprob> logprobs,
                              std::uint64_t characters_before) {
  ReplyJson json = {{"tokens", ReplyJson::array()},
                    {"token_logprobs", ReplyJson::array()},
                    {"top_logprobs", ReplyJson::array()},
                    {"text_offset", ReplyJson::array()}};
  std::uint64_t offset = characters_before;
  for (const TokenLogprob& logprob : logprobs) {
    ReplyJson top = ReplyJson::object();
    for (const TokenAlternative& other : logprob.top) {
      top[completion_token(other.bytes)] = finite(other.logprob);
    }
    json["tokens"].push_back(completion_token(logprob.chosen.bytes));
    json["token_logprobs"].push_back(finite(logprob.chosen.logprob));
    json["top_logprobs"].push_back(std::move(top));
    json["text_offset"].push_back(offset);
    offset += characters_of({&logprob, 1});
  }
  return json;
}

std::uint64_t characters_of(std::span<const TokenLogprob> logprobs) {
  std::uint64_t characters = 0;
  for (const TokenLogprob& logprob : logprobs) {
    // Every byte that is no continuation byte begins a character.
    characters += static_cast<std::uint64_t>(std::ranges::count_if(
        logprob.chosen.bytes, [](char byte) { return (byte & '\xC0') != '\x80'; }));
  }
  return characters;
}

}  // namespace troupe::actors::gateway
