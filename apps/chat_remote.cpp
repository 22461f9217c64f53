#include <nlohmann/json.hpp>
#include <utility>

#include "apps/chat_backend.hpp"
#include "apps/event_stream.hpp"
#include "apps/http_client.hpp"
#include "apps/interrupt.hpp"
#include "apps/progress.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

using config::UserError;
using Json = nlohmann::json;

// What stands at `path` when it is text, else nothing: a server's reply may have any shape.
std::string text_at(const Json& json, const char* path) {
  const Json::json_pointer pointer(path);
  if (!json.contains(pointer) || !json[pointer].is_string()) return {};
  return json[pointer].get<std::string>();
}

Json parse(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json::object() : json;
}

std::string error_text(int status, const Json& json) {
  const std::string message = text_at(json, "/error/message");
  return message.empty() ? "the server answered with HTTP status " + std::to_string(status)
                         : "the server says: " + message;
}

// A refusal that fewer turns would lift.
bool is_too_long(int status, const Json& json) {
  if (status != 400) return false;
  if (text_at(json, "/error/code") == "context_length_exceeded") return true;
  return text_at(json, "/error/param") == "messages" &&
         text_at(json, "/error/message").find("context") != std::string::npos;
}

class RemoteChat : public ChatBackend {
 public:
  RemoteChat(HttpClient client, const SamplingFlags& sampling)
      : client_(std::move(client)), sampling_(sampling) {
    const Progress progress("asking " + client_.url().text());
    const HttpReply reply = client_.get("/v1/models");
    const Json json = parse(reply.body);
    if (reply.status != 200) throw UserError(error_text(reply.status, json));
    model_ = text_at(json, "/data/0/id");
    if (model_.empty()) {
      throw UserError(client_.url().text() + "/v1/models names no model: is this a model server?");
    }
  }

  std::string description() const override { return model_ + " at " + client_.url().text(); }

  ReplyEnd reply(const std::vector<messages::ChatTurn>& turns, const OnText& on_text) override {
    Progress progress("waiting for " + client_.url().text());
    EventStream events;
    finish_.clear();
    whole_ = false;
    const HttpReply reply =
        client_.post("/v1/chat/completions", request(turns), [&](std::string_view piece) {
          for (const std::string& data : events.take(piece)) {
            progress.finish();
            take(data, on_text);
          }
        });
    if (interrupted()) return ReplyEnd::kInterrupted;
    if (reply.status != 200) {
      const Json json = parse(reply.body);
      if (is_too_long(reply.status, json)) return ReplyEnd::kTooLong;
      throw UserError(error_text(reply.status, json));
    }
    if (!whole_) throw UserError("the server's answer ended without its end mark");
    return finish_ == "length" ? ReplyEnd::kCut : ReplyEnd::kWhole;
  }

 private:
  std::string request(const std::vector<messages::ChatTurn>& turns) const {
    const messages::Sampling sampling = sampling_.sampling();
    Json json{{"model", model_},
              {"stream", true},
              {"temperature", sampling.temperature},
              {"top_p", sampling.top_p},
              {"messages", Json::array()}};
    for (const messages::ChatTurn& turn : turns) {
      json["messages"].push_back({{"role", turn.role}, {"content", turn.content}});
    }
    // Only what differs from the default: other servers may not know the field.
    const messages::Sampling other;
    const auto add_if = [&](const char* name, const auto& value, const auto& otherwise) {
      if (value != otherwise) json[name] = value;
    };
    add_if("max_tokens", sampling.max_tokens, other.max_tokens);
    add_if("min_tokens", sampling.min_tokens, other.min_tokens);
    add_if("top_k", sampling.top_k, other.top_k);
    add_if("min_p", sampling.min_p, other.min_p);
    add_if("repetition_penalty", sampling.repetition_penalty, other.repetition_penalty);
    add_if("frequency_penalty", sampling.frequency_penalty, other.frequency_penalty);
    add_if("presence_penalty", sampling.presence_penalty, other.presence_penalty);
    add_if("ignore_eos", sampling.ignore_eos, other.ignore_eos);
    add_if("stop", sampling.stop, other.stop);
    if (sampling_.seed()) json["seed"] = *sampling_.seed();
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  void take(const std::string& data, const OnText& on_text) {
    if (data == "[DONE]") {
      whole_ = true;
      return;
    }
    const Json json = parse(data);
    if (json.contains("error")) throw UserError(error_text(200, json));
    const std::string text = text_at(json, "/choices/0/delta/content");
    if (!text.empty()) on_text(text);
    const std::string finish = text_at(json, "/choices/0/finish_reason");
    if (!finish.empty()) finish_ = finish;
  }

  HttpClient client_;
  const SamplingFlags& sampling_;
  std::string model_;
  std::string finish_;
  bool whole_ = false;
};

}  // namespace

std::unique_ptr<ChatBackend> make_remote_chat(const std::string& url,
                                              const SamplingFlags& sampling) {
  return std::make_unique<RemoteChat>(HttpClient(parse_url(url), interrupted), sampling);
}

}  // namespace troupe::apps
