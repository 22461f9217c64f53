#include "actors/gateway/gateway_core.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <map>
#include <span>

#include "actors/gateway/openai_request.hpp"
#include "config/check.hpp"
#include "model/checksum.hpp"

namespace troupe::actors::gateway {
namespace {

using messages::Failure;
using messages::FailureCode;

// A worker restarts in well under a second, and a busy one frees places about as fast.
constexpr std::uint32_t kRetrySoonMs = 1'000;
// A node that drains is replaced or gone; its clients should look again when its drain is over.
constexpr std::uint32_t kRetryDrainingMs = 5'000;

Failure draining_failure() {
  return {.code = FailureCode::kDraining,
          .message = "the node is stopping and takes no new requests",
          .retry_after_ms = kRetryDrainingMs};
}

std::string call_id(Endpoint endpoint, std::uint64_t request_id) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), request_id, 16).ptr;
  return (endpoint == Endpoint::kChat ? "chatcmpl-" : "cmpl-") + std::string(digits.begin(), end);
}

// The credentials themselves have no business in memory that outlives the process.
CallKey key_of(const HttpRequest& request) {
  if (request.idempotency_key.empty()) return {};
  const auto digest = [](const std::string& text) {
    return model::hexadecimal(model::checksum(std::as_bytes(std::span(text))));
  };
  return {.caller = digest(request.authorization),
          .key = request.idempotency_key,
          .digest = digest(request.target + "\n" + request.body)};
}

}  // namespace

GatewayCore::GatewayCore(GatewayCoreOptions options)
    : options_(std::move(options)),
      facts_{.model = options_.model,
             .context_max = options_.context_max,
             .started_unix = options_.started_unix,
             .version = options_.version,
             .numerics_id = {}},
      http_(options_.resume_grace_ms, options_.probe),
      zmq_({.front_epoch = options_.front_epoch,
            .version = options_.version,
            .model = options_.model,
            .context_max = options_.context_max,
            .credit = options_.client_credit,
            .resume_grace_ms = options_.resume_grace_ms,
            .probe = options_.probe}) {
  CHECK(options_.front_epoch < (std::uint64_t{1} << 24), "request ids hold 24 bits of the epoch");
  CHECK(options_.draw_seed, "seeds are drawn here");
}

Effects GatewayCore::on_http(const HttpRequest& request, Now now) {
  Effects effects;
  const auto respond = [&](HttpResponse response) {
    effects.emplace_back(HttpRespond{request.connection, std::move(response)});
  };
  if (auto refusal = refuse_route(request.method, request.target)) {
    respond(std::move(*refusal));
    return effects;
  }
  const RouteMatch match = *match_route(request.target);
  switch (match.route) {
    case Route::kChat:
      on_call(request, Endpoint::kChat, now, effects);
      break;
    case Route::kCompletions:
      on_call(request, Endpoint::kCompletions, now, effects);
      break;
    case Route::kModels:
      respond(models_page(facts_));
      break;
    case Route::kModel:
      respond(model_page(facts_, match.model));
      break;
    case Route::kLive:
      respond(live_page());
      break;
    case Route::kReady:
      respond(ready_page(facts_));
      break;
    case Route::kMetrics:
      effects.emplace_back(HttpMetrics{request.connection});
      break;
    case Route::kVersion:
      respond(version_page(facts_));
      break;
  }
  return effects;
}

void GatewayCore::on_call(const HttpRequest& request,
                          Endpoint endpoint,
                          Now now,
                          Effects& effects) {
  const auto refuse = [&](const ApiError& error, const char* reason) {
    effects.emplace_back(CountRefusal{reason});
    effects.emplace_back(
        HttpRespond{request.connection, error_response(error), {.finish = reason}});
  };
  CallKey key = key_of(request);
  if (!key.none() && resume(request, key, now, effects)) return;
  // Before the body is parsed: a node that takes nothing should not work for it.
  if (const auto failure = closed()) {
    const bool draining = failure->code == FailureCode::kDraining;
    const bool full = failure->code == FailureCode::kOverload;
    return refuse(to_api_error(*failure), draining ? "draining" : full ? "overload" : "open");
  }
  auto parsed = parse_call(endpoint, request.body, options_.model);
  if (const auto* error = std::get_if<ApiError>(&parsed)) return refuse(*error, "invalid");
  auto& call = std::get<ParsedCall>(parsed);
  if (const auto error = never_fits(call)) return refuse(*error, "invalid");
  start(request.connection, std::move(call), std::move(key), now, effects);
}

// True when the request is done with: it repeats a call, or its key is of no use.
bool GatewayCore::resume(const HttpRequest& request,
                         const CallKey& key,
                         Now now,
                         Effects& effects) {
  const auto refuse = [&](int status, std::string why, const char* code) {
    const ApiError error{
        .status = status, .message = std::move(why), .param = "Idempotency-Key", .code = code};
    effects.emplace_back(CountRefusal{"invalid"});
    effects.emplace_back(
        HttpRespond{request.connection, error_response(error), {.finish = "invalid"}});
    return true;
  };
  if (key.key.size() > config::kClientIdBytesMax) {
    return refuse(
        400,
        "Idempotency-Key may have at most " + std::to_string(config::kClientIdBytesMax) + " bytes",
        "invalid_value");
  }
  if (http_.resume(request.connection, key, request.last_event_id, now, effects)) return true;
  if (request.last_event_id.empty()) return false;
  return refuse(404,
                "no call with this Idempotency-Key is remembered here; send it again without "
                "Last-Event-ID and under a new key",
                "not_found");
}

// The answers of a call enter the queue together: more than it holds never will.
std::optional<ApiError> GatewayCore::never_fits(const ParsedCall& call) const {
  const std::size_t answers = call.prompts.size() * call.n;
  if (answers <= options_.queued_max) return std::nullopt;
  return ApiError{.message = "n times the number of prompts is " + std::to_string(answers) +
                             " and the queue holds " + std::to_string(options_.queued_max) +
                             " requests: ask for fewer, or raise dispatch.queued_max",
                  .param = "n"};
}

void GatewayCore::start(
    ConnectionId connection, ParsedCall call, CallKey key, Now now, Effects& effects) {
  if (!call.seed_given) call.sampling.seed = options_.draw_seed();
  std::vector<std::uint64_t> ids;
  for (const Prompt& prompt : call.prompts) {
    for (std::uint32_t choice = 0; choice < call.n; ++choice) {
      messages::GenerateRequest answer = expand(call, prompt, choice);
      answer.request_id = next_id();
      answer.call_first = ids.empty() ? answer.request_id : ids.front();
      answer.call_size = static_cast<std::uint32_t>(call.prompts.size() * call.n);
      answer.origin = origin_of(call, key, now);
      ids.push_back(answer.request_id);
      effects.emplace_back(std::move(answer));
    }
  }
  ReplyHead head{.endpoint = call.endpoint,
                 .id = call_id(call.endpoint, ids.front()),
                 .created = now.unix_s,
                 .model = options_.model,
                 .fingerprint = facts_.numerics_id,
                 .include_usage = call.stream && call.include_usage,
                 .with_logprobs = call.sampling.top_logprobs >= 0,
                 .answers = static_cast<std::uint32_t>(ids.size())};
  http_.open(connection, call, std::move(ids), std::move(head), std::move(key), now);
}

messages::Origin GatewayCore::origin_of(const ParsedCall& call, const CallKey& key, Now now) const {
  return {.door = messages::Door::kHttp,
          .peer = key.caller,
          .id = key.key,
          .digest = key.digest,
          .stream = call.stream,
          .chat = call.endpoint == Endpoint::kChat,
          .include_usage = call.include_usage,
          .n = call.n,
          .created = now.unix_s,
          .fingerprint = facts_.numerics_id};
}

messages::GenerateRequest GatewayCore::expand(const ParsedCall& call,
                                              const Prompt& prompt,
                                              std::uint32_t choice) const {
  messages::GenerateRequest answer{.request_id = 0,
                                   .prompt_kind = prompt.kind,
                                   .prompt = prompt.text,
                                   .messages = prompt.turns,
                                   .prompt_tokens = prompt.tokens,
                                   .sampling = call.sampling,
                                   .echo = call.echo,
                                   .priority = call.priority,
                                   .deadline_ms = call.deadline_ms,
                                   .cache_salt = call.cache_salt};
  answer.sampling.choice = choice;
  return answer;
}

std::optional<Failure> GatewayCore::closed() const {
  if (facts_.draining) return draining_failure();
  if (!facts_.ready) {
    return Failure{.code = FailureCode::kUnavailable,
                   .message = why_not_ready_.empty()
                                  ? "no worker can take requests at the moment; try again soon"
                                  : why_not_ready_,
                   .retry_after_ms = kRetrySoonMs};
  }
  if (http_.open_answers() + zmq_.open_requests() >= options_.answers_max) {
    return Failure{.code = FailureCode::kOverload,
                   .message = "too many requests are open; try again soon",
                   .retry_after_ms = kRetrySoonMs};
  }
  return std::nullopt;
}

Effects GatewayCore::on_gone(ConnectionId connection, Now now) {
  Effects effects;
  http_.on_gone(connection, now, effects);
  return effects;
}

Effects GatewayCore::restore(const std::vector<RestoredAnswer>& answers, Now now) {
  Effects effects;
  std::map<std::uint64_t, std::vector<RestoredAnswer>> calls;  // by their first request
  for (const RestoredAnswer& answer : answers) {
    const bool http = answer.request.origin.door == messages::Door::kHttp;
    auto& call = calls[http ? answer.request.call_first : answer.request.request_id];
    call.push_back(answer);
  }
  for (const auto& [first, call] : calls) restore_alone(call, now, effects);
  return effects;
}

// What throws here would throw in each front after this one, too.
void GatewayCore::restore_alone(const std::vector<RestoredAnswer>& call,
                                Now now,
                                Effects& effects) {
  Effects of_call;
  try {
    pass(options_.probe, "restore", call.front().request.request_id);
    const bool http = call.front().request.origin.door == messages::Door::kHttp;
    http ? restore_call(call, now, of_call) : zmq_.restore(call.front(), now, of_call);
  } catch (const std::exception&) {
    of_call.clear();
    for (const RestoredAnswer& answer : call) {
      std::ranges::move(abandon_chunk(answer.request.request_id, now), std::back_inserter(of_call));
      of_call.emplace_back(messages::CancelRequest{.request_id = answer.request.request_id});
    }
  }
  std::ranges::move(of_call, std::back_inserter(effects));
}

// A call of which an answer is missing, because it never was accepted, cannot become a reply.
void GatewayCore::restore_call(const std::vector<RestoredAnswer>& answers,
                               Now now,
                               Effects& effects) {
  const messages::TokenizedRequest& first = answers.front().request;
  if (answers.size() != first.call_size) {
    for (const RestoredAnswer& answer : answers) {
      effects.emplace_back(messages::CancelRequest{.request_id = answer.request.request_id});
    }
    return;
  }
  const Endpoint endpoint = first.origin.chat ? Endpoint::kChat : Endpoint::kCompletions;
  http_.restore(answers,
                {.endpoint = endpoint,
                 .id = call_id(endpoint, first.call_first),
                 .created = first.origin.created,
                 .model = options_.model,
                 .fingerprint = first.origin.fingerprint,
                 .include_usage = first.origin.stream && first.origin.include_usage,
                 .with_logprobs = first.sampling.top_logprobs >= 0,
                 .answers = first.call_size},
                now,
                effects);
}

Effects GatewayCore::on_frame(const std::string& peer, std::string_view frame, Now now) {
  Effects effects;
  const Admission admission{
      .closed = closed(), .next_id = [this] { return next_id(); }, .draw_seed = options_.draw_seed};
  zmq_.on_frame(peer, frame, admission, now, effects);
  return effects;
}

// A chunk that nobody waits for belongs to a call that was cancelled: it is dropped. One that
// begins an answer says that dispatch has not heard of it, or has forgotten.
Effects GatewayCore::on_chunk(const messages::ReplyChunk& chunk, Now now) {
  Effects effects;
  const bool taken = http_.on_chunk(chunk, now, effects) || zmq_.on_chunk(chunk, now, effects);
  if (!taken && chunk.kind == messages::ChunkKind::kAccepted) {
    effects.emplace_back(messages::CancelRequest{.request_id = chunk.request_id});
  }
  return effects;
}

Effects GatewayCore::on_chunks(const messages::ReplyChunks& replies, Now now, std::string* broken) {
  Effects effects;
  for (const messages::ReplyChunk& chunk : replies.chunks) {
    Effects of_chunk;
    try {
      of_chunk = on_chunk(chunk, now);
    } catch (const std::exception& error) {
      if (broken != nullptr) *broken = error.what();
      of_chunk = abandon_chunk(chunk.request_id, now);
    }
    std::ranges::move(of_chunk, std::back_inserter(effects));
  }
  return effects;
}

void GatewayCore::on_readiness(const messages::NodeReadiness& readiness) {
  facts_.ready = readiness.ready;
  why_not_ready_ = readiness.why;
  // A node whose workers are away still says who gave its answers.
  if (!readiness.numerics_id.empty()) facts_.numerics_id = readiness.numerics_id;
}

Effects GatewayCore::fail_all(Now now) {
  Effects effects;
  http_.fail_all(to_api_error(draining_failure()), now, effects);
  zmq_.fail_all(draining_failure(), now, effects);
  return effects;
}

}  // namespace troupe::actors::gateway
