#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "apps/chat_backend.hpp"
#include "apps/interrupt.hpp"
#include "apps/local_pipeline.hpp"
#include "apps/progress.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

using messages::ChunkKind;
using messages::FinishReason;

// An answer gets at least this part of the context, or older turns are dropped for it.
constexpr std::uint32_t kAnswerShare = 4;

class LocalChat : public ChatBackend {
 public:
  LocalChat(LoadedModel model,
            const config::NodeConfig& config,
            const SamplingFlags& sampling,
            Progress& progress)
      : model_(std::move(model)),
        sampling_(sampling),
        pipeline_(
            model_,
            config,
            1,
            [this](const messages::ReplyChunk& chunk) { take(chunk); },
            &progress) {}

  std::string description() const override {
    return model_.alias + ", " + std::to_string(model_.context_max) + " tokens of context";
  }

  ReplyEnd reply(const std::vector<messages::ChatTurn>& turns, const OnText& on_text) override {
    messages::GenerateRequest request{.request_id = ++last_id_,
                                      .prompt_kind = messages::PromptKind::kChat,
                                      .messages = turns,
                                      .sampling = sampling_.sampling()};
    if (!leaves_room(turns, request.sampling.max_tokens)) return ReplyEnd::kTooLong;
    Progress progress("reading the conversation");
    end_.reset();
    on_text_ = [&](std::string_view text) {
      progress.finish();
      on_text(text);
    };
    pipeline_.submit(request);
    while (!end_ && pipeline_.step()) {
      if (interrupted()) pipeline_.cancel(last_id_);
    }
    if (interrupted()) return ReplyEnd::kInterrupted;
    if (end_->kind == ChunkKind::kError) throw config::UserError(end_->failure.message);
    return end_->finish == FinishReason::kLength ? ReplyEnd::kCut : ReplyEnd::kWhole;
  }

 private:
  bool leaves_room(const std::vector<messages::ChatTurn>& turns, std::uint32_t max_tokens) const {
    std::vector<model::ChatMessage> rendered;
    for (const messages::ChatTurn& turn : turns) rendered.push_back({turn.role, turn.content});
    const std::string text = model_.chat_template->render(std::move(rendered));
    const std::size_t prompt = model_.tokenizer->encode(text, model::SpecialTokens::kParse).size();
    const std::uint32_t share = std::max(model_.context_max / kAnswerShare, 1U);
    const std::uint32_t room = max_tokens == 0 ? share : std::min(max_tokens, share);
    return prompt + room <= model_.context_max;
  }

  void take(const messages::ReplyChunk& chunk) {
    if (!chunk.text.empty()) on_text_(chunk.text);
    if (chunk.kind == ChunkKind::kFinal || chunk.kind == ChunkKind::kError) end_ = chunk;
  }

  LoadedModel model_;
  const SamplingFlags& sampling_;
  LocalPipeline pipeline_;
  OnText on_text_;
  std::optional<messages::ReplyChunk> end_;
  std::uint64_t last_id_ = 0;
};

}  // namespace

std::unique_ptr<ChatBackend> make_local_chat(const ModelFlags& flags,
                                             const SamplingFlags& sampling) {
  const config::NodeConfig config = local_config(flags);
  Progress progress("loading " + config.model.file.string());
  LoadedModel model = load_model(config.model);
  if (model.chat_template == nullptr) {
    throw config::UserError(config.model.file.string() +
                            ": has no chat template; use `troupe generate` with a plain prompt");
  }
  return std::make_unique<LocalChat>(std::move(model), config, sampling, progress);
}

}  // namespace troupe::apps
