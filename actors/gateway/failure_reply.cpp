#include "actors/gateway/failure_reply.hpp"

#include <algorithm>

#include "actors/gateway/json_text.hpp"
#include "config/limits.hpp"

namespace troupe::actors::gateway {
namespace {

using messages::FailureCode;

// What a passing refusal advises when the stage that refused has measured nothing.
constexpr std::uint32_t kRetryDefaultMs = 1'000;

constexpr const char* kQuarantinedName = "quarantined";

struct FailureRow {
  FailureCode code;
  int status;
  const char* type;
  const char* name;  // the error object's code and the ZeroMQ protocol's
};

constexpr FailureRow kRows[] = {
    {FailureCode::kNone, 500, "server_error", "internal"},
    {FailureCode::kInvalid, 400, "invalid_request_error", "invalid"},
    {FailureCode::kTooLarge, 413, "invalid_request_error", "too_large"},
    {FailureCode::kOverload, 429, "rate_limit_error", "overload"},
    {FailureCode::kDraining, 503, "service_unavailable_error", "draining"},
    {FailureCode::kUnavailable, 503, "service_unavailable_error", "unavailable"},
    {FailureCode::kDeadline, 408, "timeout_error", "deadline"},
    {FailureCode::kCancelled, 499, "cancelled_error", "cancelled"},
    {FailureCode::kWorkerLost, 500, "server_error", "worker_lost"},
    {FailureCode::kInternal, 500, "server_error", "internal"},
    {FailureCode::kQuarantined, 500, "server_error", kQuarantinedName},
};

// A frame from another version may hold a code that this one does not know.
const FailureRow& row_of(FailureCode code) {
  const auto found = std::ranges::find(kRows, code, &FailureRow::code);
  return found == std::end(kRows) ? kRows[0] : *found;
}

ReplyJson nullable(const std::string& text) {
  return text.empty() ? ReplyJson(nullptr) : ReplyJson(text);
}

}  // namespace

ApiError to_api_error(const messages::Failure& failure) {
  const FailureRow& row = row_of(failure.code);
  return {.status = row.status,
          .message = failure.message,
          .type = row.type,
          .param = failure.param,
          .code = row.name,
          .retry_after_ms = failure.retry_after_ms};
}

ApiError to_api_error(Fault fault) {
  return {.message = std::move(fault.message),
          .param = std::move(fault.param),
          .code = "invalid_value"};
}

messages::Failure invalid(std::string why) {
  return {.code = FailureCode::kInvalid, .message = std::move(why)};
}

messages::Failure lost_piece(std::uint64_t request_id) {
  return {.request_id = request_id,
          .code = FailureCode::kInternal,
          .message = "a piece of the answer was lost in the server"};
}

std::string zmq_code(FailureCode code) { return row_of(code).name; }

std::string error_json(const ApiError& error) {
  return to_text({{"error",
                   {{"message", error.message},
                    {"type", error.type},
                    {"param", nullable(error.param)},
                    {"code", nullable(error.code)}}}});
}

HttpResponse error_response(const ApiError& error) {
  HttpResponse response{.status = error.status, .body = error_json(error)};
  const bool passes = error.status == 429 || error.status == 503;
  const std::uint32_t advice_ms = error.retry_after_ms != 0 ? error.retry_after_ms
                                  : passes                  ? kRetryDefaultMs
                                                            : 0;
  if (advice_ms != 0) {
    const std::uint32_t wait_ms = std::min(advice_ms, config::kRetryAfterMsMax);
    response.headers.emplace_back("Retry-After", std::to_string((wait_ms + 999) / 1000));
    response.headers.emplace_back("retry-after-ms", std::to_string(wait_ms));
  }
  // The SDKs repeat a 5xx by themselves, which would kill two more workers.
  if (error.status == 408 || error.code == kQuarantinedName)
    response.headers.emplace_back("x-should-retry", "false");
  return response;
}

}  // namespace troupe::actors::gateway
