// Who answers a chat: a model in this process, or a server.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/model_flags.hpp"
#include "apps/sampling_flags.hpp"
#include "messages/generate_request.hpp"

namespace troupe::apps {

enum class ReplyEnd {
  kWhole,
  kCut,          // max_tokens, or the end of the context
  kTooLong,      // the turns leave no room for an answer; nothing was said
  kInterrupted,  // Ctrl-C
};

class ChatBackend {
 public:
  using OnText = std::function<void(std::string_view)>;

  virtual ~ChatBackend() = default;

  // For the greeting: which model answers, and where.
  virtual std::string description() const = 0;

  // Gives the answer to `on_text` as it grows. Throws config::UserError when there is none; the
  // chat can go on.
  virtual ReplyEnd reply(const std::vector<messages::ChatTurn>& turns, const OnText& on_text) = 0;
};

// Throw config::UserError. The flags must outlive the backend.
std::unique_ptr<ChatBackend> make_local_chat(const ModelFlags& model,
                                             const SamplingFlags& sampling);
std::unique_ptr<ChatBackend> make_remote_chat(const std::string& url,
                                              const SamplingFlags& sampling);

}  // namespace troupe::apps
