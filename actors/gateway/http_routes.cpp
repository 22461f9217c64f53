#include "actors/gateway/http_routes.hpp"

#include <charconv>

#include "actors/gateway/json_text.hpp"
#include "actors/gateway/openai_request.hpp"

namespace troupe::actors::gateway {
namespace {

struct RouteRow {
  const char* path;
  Route route;
};

constexpr RouteRow kRoutes[] = {
    {"/v1/chat/completions", Route::kChat},
    {"/v1/completions", Route::kCompletions},
    {"/v1/models", Route::kModels},
    {"/health/live", Route::kLive},
    {"/health/ready", Route::kReady},
    {"/health", Route::kReady},
    {"/metrics", Route::kMetrics},
    {"/version", Route::kVersion},
};

constexpr std::string_view kModelPrefix = "/v1/models/";

bool takes_post(Route route) { return route == Route::kChat || route == Route::kCompletions; }

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const char* digits = text.data() + i + 1;
    const bool escaped = text[i] == '%' && i + 2 < text.size() &&
                         std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2;
    out += escaped ? static_cast<char>(value) : text[i];
    if (escaped) i += 2;
  }
  return out;
}

ReplyJson model_json(const NodeFacts& facts) {
  return {{"id", facts.model},
          {"object", "model"},
          {"created", facts.started_unix},
          {"owned_by", "troupe"},
          {"max_model_len", facts.context_max}};
}

}  // namespace

std::optional<RouteMatch> match_route(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  for (const RouteRow& row : kRoutes) {
    if (path == row.path) return RouteMatch{.route = row.route};
  }
  if (path.starts_with(kModelPrefix) && path.size() > kModelPrefix.size()) {
    return RouteMatch{.route = Route::kModel,
                      .model = percent_decoded(path.substr(kModelPrefix.size()))};
  }
  return std::nullopt;
}

std::optional<HttpResponse> refuse_route(std::string_view method, std::string_view target) {
  const auto match = match_route(target);
  if (!match) {
    return error_response({.status = 404,
                           .message = "there is nothing at this path; the API is under /v1",
                           .code = "not_found"});
  }
  const bool post = takes_post(match->route);
  if (post ? method == "POST" : method == "GET" || method == "HEAD") return std::nullopt;
  HttpResponse response =
      error_response({.status = 405,
                      .message = std::string("this path takes ") + (post ? "POST" : "GET and HEAD"),
                      .code = "method_not_allowed"});
  response.headers.emplace_back("Allow", post ? "POST" : "GET, HEAD");
  return response;
}

HttpResponse models_page(const NodeFacts& facts) {
  return {.body = to_text({{"object", "list"}, {"data", ReplyJson::array({model_json(facts)})}})};
}

HttpResponse model_page(const NodeFacts& facts, std::string_view asked) {
  if (asked != facts.model) return error_response(model_not_found(asked, facts.model));
  return {.body = to_text(model_json(facts))};
}

HttpResponse live_page() { return {.body = to_text({{"status", "ok"}})}; }

HttpResponse ready_page(const NodeFacts& facts) {
  const char* status = facts.draining ? "draining" : facts.ready ? "ok" : "unavailable";
  const bool ready = facts.ready && !facts.draining;
  return {.status = ready ? 200 : 503, .body = to_text({{"status", status}})};
}

HttpResponse version_page(const NodeFacts& facts) {
  return {.body = to_text({{"version", facts.version}, {"numerics_id", facts.numerics_id}})};
}

}  // namespace troupe::actors::gateway
