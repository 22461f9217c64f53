#include "actors/gateway/request_rules.hpp"

#include <algorithm>
#include <limits>

#include "config/limits.hpp"
#include "model/utf8.hpp"

namespace troupe::actors::gateway {
namespace {

struct FloatRule {
  const char* param;
  float messages::Sampling::*field;
  float low;
  float high;
  bool low_excluded;
  const char* range;
};

// OpenAI's ranges where it has the field, vLLM's elsewhere. A repetition penalty above 100 pushes
// logits out of float's useful range.
constexpr FloatRule kFloatRules[] = {
    {"temperature", &messages::Sampling::temperature, 0.0F, 2.0F, false, "between 0 and 2"},
    {"top_p", &messages::Sampling::top_p, 0.0F, 1.0F, true, "above 0 and at most 1"},
    {"min_p", &messages::Sampling::min_p, 0.0F, 1.0F, false, "between 0 and 1"},
    {"repetition_penalty",
     &messages::Sampling::repetition_penalty,
     0.0F,
     100.0F,
     true,
     "above 0 and at most 100"},
    {"frequency_penalty",
     &messages::Sampling::frequency_penalty,
     -2.0F,
     2.0F,
     false,
     "between -2 and 2"},
    {"presence_penalty",
     &messages::Sampling::presence_penalty,
     -2.0F,
     2.0F,
     false,
     "between -2 and 2"},
};

// Written so that NaN is outside.
bool keeps(const FloatRule& rule, float value) {
  const bool above = rule.low_excluded ? value > rule.low : value >= rule.low;
  return above && value <= rule.high;
}

std::optional<Fault> find_float_fault(const messages::Sampling& sampling) {
  for (const FloatRule& rule : kFloatRules) {
    if (!keeps(rule, sampling.*rule.field)) {
      return Fault{rule.param, std::string(rule.param) + " must be " + rule.range};
    }
  }
  return std::nullopt;
}

std::optional<Fault> find_bias_fault(const messages::Sampling& sampling) {
  if (sampling.logit_bias.size() > config::kLogitBiasMax) {
    return Fault{
        "logit_bias",
        "logit_bias may name at most " + std::to_string(config::kLogitBiasMax) + " tokens"};
  }
  for (const auto& [token, bias] : sampling.logit_bias) {
    if (token < 0) return Fault{"logit_bias", "logit_bias: token ids must not be negative"};
    if (!(bias >= -100.0F && bias <= 100.0F)) {
      return Fault{"logit_bias", "logit_bias: every value must be between -100 and 100"};
    }
  }
  return std::nullopt;
}

std::optional<Fault> find_stop_fault(const messages::Sampling& sampling) {
  if (sampling.stop.size() > config::kStopStringsMax) {
    return Fault{"stop",
                 "stop may hold at most " + std::to_string(config::kStopStringsMax) + " strings"};
  }
  for (const std::string& stop : sampling.stop) {
    if (stop.empty()) return Fault{"stop", "stop strings must not be empty"};
    if (stop.size() > config::kStopStringBytesMax) {
      return Fault{"stop",
                   "stop strings may have at most " + std::to_string(config::kStopStringBytesMax) +
                       " bytes"};
    }
    if (model::utf8::valid_prefix(stop) != stop.size()) {
      return Fault{"stop", "stop strings must be valid UTF-8"};
    }
  }
  return std::nullopt;
}

std::optional<Fault> find_count_fault(const messages::Sampling& sampling) {
  constexpr std::uint32_t tokens_max = std::numeric_limits<std::int32_t>::max();
  if (sampling.max_tokens > tokens_max) {
    return Fault{"max_tokens", "max_tokens must be below 2^31"};
  }
  if (sampling.min_tokens > tokens_max) {
    return Fault{"min_tokens", "min_tokens must be below 2^31"};
  }
  if (sampling.max_tokens != 0 && sampling.min_tokens > sampling.max_tokens) {
    return Fault{"min_tokens", "min_tokens must not be above max_tokens"};
  }
  if (sampling.top_k < 0) return Fault{"top_k", "top_k must be at least 1, or 0 for no bound"};
  if (sampling.top_logprobs < -1 || sampling.top_logprobs > config::kTopLogprobsMax) {
    return Fault{"top_logprobs",
                 "top_logprobs must be between 0 and " + std::to_string(config::kTopLogprobsMax)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Fault> find_fault(const messages::Sampling& sampling) {
  for (const auto find : {find_float_fault, find_count_fault, find_bias_fault, find_stop_fault}) {
    if (auto fault = find(sampling)) return fault;
  }
  return std::nullopt;
}

std::optional<Fault> find_fault(std::span<const std::int32_t> prompt_tokens) {
  const bool negative = std::ranges::any_of(prompt_tokens, [](std::int32_t id) { return id < 0; });
  if (negative) return Fault{"prompt", "token ids must not be negative"};
  return std::nullopt;
}

std::optional<Fault> find_priority_fault(std::uint32_t priority) {
  if (priority <= kPriorityMax) return std::nullopt;
  return Fault{"priority", "priority must be between 0 (most urgent) and 9"};
}

std::optional<Fault> find_salt_fault(std::string_view cache_salt) {
  if (cache_salt.size() <= config::kCacheSaltBytesMax) return std::nullopt;
  return Fault{
      "cache_salt",
      "cache_salt may have at most " + std::to_string(config::kCacheSaltBytesMax) + " bytes"};
}

std::optional<std::string> known_role(std::string_view role) {
  if (role == "developer") return "system";
  if (role == "system" || role == "user" || role == "assistant") return std::string(role);
  return std::nullopt;
}

}  // namespace troupe::actors::gateway
