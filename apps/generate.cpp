#include "apps/generate.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/interrupt.hpp"
#include "apps/local_pipeline.hpp"
#include "apps/model_flags.hpp"
#include "apps/progress.hpp"
#include "apps/sampling_flags.hpp"
#include "apps/standard_output.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

using Clock = std::chrono::steady_clock;
using messages::ChunkKind;
using messages::FinishReason;

// Long enough for most answers, short enough that a small model that repeats itself comes to an
// end.
constexpr std::uint32_t kMaxTokensDefault = 256;
constexpr std::uint64_t kRequestId = 1;

struct Flags {
  ModelFlags model;
  // Greedy by default: a script gets the same answer each time.
  SamplingFlags sampling{0.0F, kMaxTokensDefault};
  std::string prompt;
  std::optional<std::string> system;
  bool chat = false;
  bool json = false;
};

// The answer as it grows, and when.
struct Outcome {
  std::string text;
  std::vector<std::int32_t> tokens;
  std::uint32_t prompt_tokens = 0;
  FinishReason finish = FinishReason::kNone;
  messages::Failure failure;
  bool ended = false;
  Clock::time_point start = Clock::now();
  Clock::time_point first_token;
  Clock::time_point last_token;
};

messages::GenerateRequest request_of(const Flags& flags) {
  if (flags.prompt.empty())
    throw config::UserError("--prompt is empty: give at least one character");
  if (flags.system && !flags.chat) throw config::UserError("--system needs --chat");
  messages::GenerateRequest request{.request_id = kRequestId,
                                    .sampling = flags.sampling.sampling()};
  if (flags.chat) {
    request.prompt_kind = messages::PromptKind::kChat;
    if (flags.system) request.messages.push_back({"system", *flags.system});
    request.messages.push_back({"user", flags.prompt});
  } else {
    request.prompt = flags.prompt;
  }
  return request;
}

void take(const messages::ReplyChunk& chunk, bool print, Outcome& outcome) {
  if (chunk.kind == ChunkKind::kAccepted) {
    outcome.prompt_tokens = chunk.prompt_tokens;
    outcome.start = Clock::now();
  }
  if (!chunk.tokens.empty()) {
    outcome.last_token = Clock::now();
    if (outcome.tokens.empty()) outcome.first_token = outcome.last_token;
    outcome.tokens.insert(outcome.tokens.end(), chunk.tokens.begin(), chunk.tokens.end());
  }
  outcome.text += chunk.text;
  if (print && !chunk.text.empty()) {
    std::fwrite(chunk.text.data(), 1, chunk.text.size(), stdout);
    std::fflush(stdout);
  }
  if (chunk.kind == ChunkKind::kFinal || chunk.kind == ChunkKind::kError) {
    outcome.ended = true;
    outcome.finish = chunk.finish;
    outcome.failure = chunk.failure;
  }
}

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

nlohmann::ordered_json to_json(const Outcome& outcome) {
  const std::size_t made = outcome.tokens.size();
  nlohmann::ordered_json timings{{"prefill_seconds", nullptr}, {"decode_tokens_per_s", nullptr}};
  if (made > 0) timings["prefill_seconds"] = seconds(outcome.start, outcome.first_token);
  if (made > 1) {
    timings["decode_tokens_per_s"] =
        static_cast<double>(made - 1) / seconds(outcome.first_token, outcome.last_token);
  }
  return {{"text", outcome.text},
          {"tokens", outcome.tokens},
          {"finish_reason", outcome.finish == FinishReason::kLength ? "length" : "stop"},
          {"usage",
           {{"prompt_tokens", outcome.prompt_tokens},
            {"completion_tokens", made},
            {"total_tokens", outcome.prompt_tokens + made}}},
          {"timings", timings}};
}

// Tells how much of the prompt is read; the first token ends it.
void show_prefill(const messages::Batch& batch, const Outcome& outcome, Progress& progress) {
  if (!outcome.tokens.empty()) return progress.finish();
  const messages::BatchSlice& slice = batch.slices.front();
  progress.update("reading the prompt: " + std::to_string(slice.position + slice.count) + " of " +
                  std::to_string(outcome.prompt_tokens) + " tokens");
}

int report(const Outcome& outcome, bool json) {
  if (json && !interrupted()) std::printf("%s\n", to_json(outcome).dump().c_str());
  // The prompt of a shell starts on a line of its own.
  if (!json && !outcome.text.empty() && outcome.text.back() != '\n') std::fputc('\n', stdout);
  finish_output();
  return interrupted() ? kInterruptedExitCode : 0;
}

int run_generate(const Flags& flags) {
  const messages::GenerateRequest request = request_of(flags);
  const config::NodeConfig config = local_config(flags.model);
  watch_interrupts();
  Progress progress("loading " + config.model.file.string());
  const LoadedModel model = load_model(config.model);
  Outcome outcome;
  const auto on_chunk = [&](const messages::ReplyChunk& chunk) {
    if (!chunk.text.empty() && !flags.json) progress.finish();
    take(chunk, !flags.json, outcome);
  };
  LocalPipeline pipeline(model, config, 1, on_chunk, &progress);
  pipeline.submit(request);
  while (!outcome.ended && pipeline.step()) {
    show_prefill(pipeline.last_batch(), outcome, progress);
    if (interrupted()) pipeline.cancel(kRequestId);
  }
  progress.finish();
  if (outcome.failure.code != messages::FailureCode::kNone && !interrupted()) {
    throw config::UserError(outcome.failure.message);
  }
  return report(outcome, flags.json);
}

}  // namespace

void add_generate_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("generate", "One answer in one process, no server. Greedy by default.");
  flags->model.add_to(*command);
  flags->sampling.add_to(*command);
  command->add_option("--prompt", flags->prompt, "what the model goes on from")->type_name("TEXT");
  command->add_flag("--chat", flags->chat, "the prompt is a user's turn in the chat template");
  command->add_option("--system", flags->system, "with --chat: the system turn")->type_name("TEXT");
  command->add_flag(
      "--json", flags->json, "one object: text, tokens, finish_reason, usage, timings");
  command->callback([flags, &exit_code] { exit_code = run_generate(*flags); });
}

}  // namespace troupe::apps
