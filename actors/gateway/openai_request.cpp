#include "actors/gateway/openai_request.hpp"

#include <charconv>
#include <limits>

#include "actors/gateway/field_reader.hpp"
#include "actors/gateway/openai_prompt.hpp"
#include "config/limits.hpp"

namespace troupe::actors::gateway {
namespace {

constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();

bool is_empty(const Json& value) { return value.empty() || value == false; }

bool is_text_format(const Json& value) {
  return value.is_object() && value.contains("type") && value["type"] == "text";
}

bool is_text_only(const Json& value) {
  return value == Json::array({"text"}) || value == Json::array();
}

// Features of the API that the server does not have: asking for one must not look as if it worked.
struct Unsupported {
  const char* field;
  bool (*is_harmless)(const Json& value);  // asks for nothing
};

constexpr Unsupported kUnsupported[] = {
    {"tools", is_empty},
    {"functions", is_empty},
    {"response_format", is_text_format},
    {"modalities", is_text_only},
    {"audio", is_empty},
    {"web_search_options", [](const Json&) { return false; }},
    {"suffix", [](const Json& value) { return value == ""; }},
    {"prompt_logprobs", is_empty},
    {"use_beam_search", is_empty},
    {"guided_json", is_empty},
    {"guided_regex", is_empty},
    {"guided_choice", is_empty},
    {"guided_grammar", is_empty},
    {"structured_outputs", is_empty},
    {"grammar", is_empty},
};

void refuse_unsupported(FieldReader& fields, const ParsedCall& call) {
  for (const Unsupported& feature : kUnsupported) {
    const Json* value = fields.find(feature.field);
    if (value != nullptr && !feature.is_harmless(*value)) {
      fields.fail(feature.field, std::string(feature.field) + " is not supported by this server");
    }
  }
  // The best of n among n is all of them; any other number needs scores that are not kept.
  const Json* best_of = fields.find("best_of");
  if (best_of != nullptr && whole_number(*best_of) != std::int64_t{call.n}) {
    fields.fail("best_of", "best_of is not supported by this server unless it equals n");
  }
}

void read_stop(FieldReader& fields, messages::Sampling& sampling) {
  const Json* stop = fields.find("stop");
  if (stop == nullptr) return;
  if (stop->is_string()) {
    sampling.stop = {stop->get<std::string>()};
    return;
  }
  if (!stop->is_array()) return fields.fail("stop", "stop must be a string or a list of strings");
  for (const Json& item : *stop) {
    if (!item.is_string()) {
      return fields.fail("stop", "stop must be a string or a list of strings");
    }
    if (sampling.stop.size() <= config::kStopStringsMax) {
      sampling.stop.push_back(item.get<std::string>());
    }
  }
}

void read_logit_bias(FieldReader& fields, messages::Sampling& sampling) {
  const Json* bias = fields.find("logit_bias");
  if (bias == nullptr) return;
  if (!bias->is_object()) {
    return fields.fail("logit_bias", "logit_bias must map token ids to numbers");
  }
  for (const auto& [key, value] : bias->items()) {
    std::int32_t id = -1;
    const char* end = key.data() + key.size();
    const auto parsed = std::from_chars(key.data(), end, id);
    if (parsed.ec != std::errc{} || parsed.ptr != end || !value.is_number()) {
      return fields.fail("logit_bias", "logit_bias must map token ids to numbers");
    }
    const double number = value.get<double>();
    if (!(number >= -100.0 && number <= 100.0)) {
      return fields.fail("logit_bias", "logit_bias: every value must be between -100 and 100");
    }
    sampling.logit_bias.emplace_back(id, static_cast<float>(number));
  }
}

// Chat: `logprobs` switches, `top_logprobs` counts. Completions: `logprobs` counts.
void read_logprobs(FieldReader& fields, ParsedCall& call) {
  std::int32_t& top = call.sampling.top_logprobs;
  if (call.endpoint == Endpoint::kCompletions) {
    return fields.read("logprobs", top, 0, config::kTopLogprobsMax);
  }
  bool wanted = false;
  std::int32_t count = 0;
  fields.read("logprobs", wanted);
  fields.read("top_logprobs", count, 0, config::kTopLogprobsMax);
  if (count > 0 && !wanted) {
    fields.fail("top_logprobs", "top_logprobs needs logprobs to be true");
  }
  if (wanted) top = count;
}

void read_sampling(FieldReader& fields, ParsedCall& call) {
  messages::Sampling& sampling = call.sampling;
  fields.read("temperature", sampling.temperature);
  fields.read("top_p", sampling.top_p);
  fields.read("min_p", sampling.min_p);
  fields.read("top_k", sampling.top_k, -1, kInt32Max);
  if (sampling.top_k == -1) sampling.top_k = 0;  // vLLM's word for no bound
  fields.read("repetition_penalty", sampling.repetition_penalty);
  fields.read("frequency_penalty", sampling.frequency_penalty);
  fields.read("presence_penalty", sampling.presence_penalty);
  fields.read("min_tokens", sampling.min_tokens, 0, kInt32Max);
  fields.read("ignore_eos", sampling.ignore_eos);
  if (call.endpoint == Endpoint::kCompletions) sampling.max_tokens = kCompletionTokensDefault;
  fields.read("max_tokens", sampling.max_tokens, 1, kInt32Max);
  fields.read("max_completion_tokens", sampling.max_tokens, 1, kInt32Max);
  std::int64_t seed = 0;
  fields.read("seed",
              seed,
              std::numeric_limits<std::int64_t>::min(),
              std::numeric_limits<std::int64_t>::max());
  sampling.seed = static_cast<std::uint64_t>(seed);
  call.seed_given = fields.find("seed") != nullptr;
  read_stop(fields, sampling);
  read_logit_bias(fields, sampling);
  read_logprobs(fields, call);
}

void read_delivery(FieldReader& fields, ParsedCall& call) {
  fields.read("n", call.n, 1, config::kAnswersMax);
  fields.read("stream", call.stream);
  fields.read("echo", call.echo);
  fields.read("priority", call.priority, 0, kPriorityMax);
  fields.read("deadline_ms", call.deadline_ms, 0, std::numeric_limits<std::int64_t>::max() / 1000);
  fields.read("cache_salt", call.cache_salt);
  if (auto fault = find_salt_fault(call.cache_salt)) fields.fail(fault->param, fault->message);
  const Json* options = fields.find("stream_options");
  if (options == nullptr) return;
  if (!options->is_object())
    return fields.fail("stream_options", "stream_options must be an object");
  FieldReader inner(*options);
  inner.read("include_usage", call.include_usage);
  if (inner.fault()) fields.fail("stream_options.include_usage", inner.fault()->message);
}

void check_together(FieldReader& fields, const ParsedCall& call) {
  if (auto fault = find_fault(call.sampling)) fields.fail(fault->param, fault->message);
  if (call.prompts.size() * call.n > config::kAnswersMax) {
    fields.fail(
        "n", "n times the number of prompts may be at most " + std::to_string(config::kAnswersMax));
  }
  if (call.echo && call.endpoint == Endpoint::kChat) {
    fields.fail("echo", "echo is only supported by /v1/completions");
  }
  if (call.echo && call.sampling.top_logprobs >= 0) {
    fields.fail("logprobs", "logprobs together with echo is not supported by this server");
  }
}

}  // namespace

std::variant<ParsedCall, ApiError> parse_call(Endpoint endpoint,
                                              std::string_view body,
                                              std::string_view alias) {
  auto parsed = parse_json(body);
  if (const auto* fault = std::get_if<JsonFault>(&parsed)) {
    return ApiError{.message = fault->message, .code = "invalid_json"};
  }
  const Json& json = std::get<Json>(parsed);
  if (!json.is_object()) {
    return ApiError{.message = "the body must be a JSON object", .code = "invalid_json"};
  }

  FieldReader fields(json);
  std::string model(alias);
  fields.read("model", model);
  if (!fields.fault() && model != alias) return model_not_found(model, alias);

  ParsedCall call{.endpoint = endpoint};
  call.prompts = endpoint == Endpoint::kChat ? read_messages(fields) : read_prompts(fields);
  read_sampling(fields, call);
  read_delivery(fields, call);
  refuse_unsupported(fields, call);
  check_together(fields, call);
  if (fields.fault()) return to_api_error(*fields.fault());
  return call;
}

ApiError model_not_found(std::string_view asked, std::string_view alias) {
  return {.status = 404,
          .message = "the model `" + std::string(asked.substr(0, 256)) +
                     "` does not exist here; this server has `" + std::string(alias) + "`",
          .param = "model",
          .code = "model_not_found"};
}

}  // namespace troupe::actors::gateway
