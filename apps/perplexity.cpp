#include "apps/perplexity.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/evaluation.hpp"
#include "apps/interrupt.hpp"
#include "apps/model_flags.hpp"
#include "apps/perplexity_windows.hpp"
#include "apps/progress.hpp"
#include "apps/standard_output.hpp"
#include "apps/text_file.hpp"
#include "apps/top_logprobs.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

using config::UserError;
using Window = std::vector<std::int32_t>;

// A day's work at a thousand tokens a second.
constexpr std::size_t kFileBytesMax = std::size_t{256} << 20;
constexpr std::uint32_t kContextDefault = 512;  // tokens; what perplexities are published for

struct Flags {
  ModelFlags model;
  std::string file;
  bool json = false;
};

// Sum of -ln p over the tokens that were scored.
struct Score {
  double loss = 0;
  std::size_t tokens = 0;

  double perplexity() const { return std::exp(loss / static_cast<double>(tokens)); }
};

std::size_t context_of(const LoadedModel& model, const config::NodeConfig& config) {
  const std::uint32_t context =
      config.model.context == 0 ? std::min(kContextDefault, model.context_max) : model.context_max;
  if (context < kWindowTokensMin)
    throw UserError("--context " + std::to_string(context) + " leaves no token to score: give " +
                    std::to_string(kWindowTokensMin) + " or more");
  return context;
}

std::vector<Window> read_windows(const Flags& flags,
                                 const LoadedModel& model,
                                 std::size_t context) {
  std::vector<std::int32_t> tokens = model.tokenizer->encode(
      read_text_file(flags.file, kFileBytesMax), model::SpecialTokens::kAsText);
  const std::int32_t bos = model.tokenizer->adds_bos() ? model.tokenizer->bos() : -1;
  if (bos >= 0) tokens.insert(tokens.begin(), bos);
  std::vector<Window> windows = perplexity_windows(tokens, context, bos);
  if (windows.empty())
    throw UserError(flags.file + ": has " + std::to_string(tokens.size()) +
                    " tokens, of which none can be scored: give a longer text");
  return windows;
}

// Adds the scored tokens of `window`: each is foretold by the logits of the position before it.
void score(const Window& window, std::size_t vocab, Evaluation& evaluation, Score& total) {
  const std::size_t first = first_scored(window.size()) - 1;  // position with wanted logits
  const std::size_t last = window.size() - 1;                 // the last token foretells nothing
  for (std::size_t begin = 0; begin < last; begin += Evaluation::kChunkTokens) {
    const std::size_t end = std::min(begin + Evaluation::kChunkTokens, last);
    const std::size_t rows = end - std::min(std::max(first, begin), end);
    const auto logits = evaluation.run(std::span(window).subspan(begin, end - begin), begin, rows);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t at = end - rows + row;
      const auto logprob = logprob_of(logits.subspan(row * vocab, vocab), window[at + 1]);
      if (!logprob)
        throw UserError(
            "the model's logits are not finite: check the file with `troupe model verify`");
      total.loss -= *logprob;
      ++total.tokens;
    }
  }
}

int run_perplexity(const Flags& flags) {
  const config::NodeConfig config = local_config(flags.model);
  if (flags.file.empty()) throw UserError("no text: give --file F");
  watch_interrupts();
  Progress progress("loading " + config.model.file.string());
  const LoadedModel model = load_model(config.model);
  const std::size_t context = context_of(model, config);
  const std::vector<Window> windows = read_windows(flags, model, context);
  Evaluation evaluation(model, config, context, progress);
  Score total;
  for (std::size_t i = 0; i < windows.size() && !interrupted(); ++i) {
    score(windows[i], static_cast<std::size_t>(model.architecture.vocab), evaluation, total);
    progress.update("window " + std::to_string(i + 1) + " of " + std::to_string(windows.size()) +
                    ", perplexity " + std::to_string(total.perplexity()));
  }
  progress.finish();
  if (interrupted()) return kInterruptedExitCode;
  if (flags.json) {
    const nlohmann::ordered_json json{{"perplexity", total.perplexity()}, {"tokens", total.tokens}};
    std::printf("%s\n", json.dump().c_str());
  } else {
    std::printf("perplexity %.4f over %zu tokens\n", total.perplexity(), total.tokens);
  }
  finish_output();
  return 0;
}

}  // namespace

void add_perplexity_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "perplexity",
      "Perplexity of a text, as llama-perplexity defines it: windows of --context tokens (512 "
      "unless given) that do not overlap; a window's first half is context, the tokens after it "
      "are scored; a last part that fills no window is left out. Special tokens in the text are "
      "plain text. A model that wants a begin token gets it as each window's first.");
  flags->model.add_to(*command);
  command->add_option("--file", flags->file, "the text")->type_name("F");
  command->add_flag("--json", flags->json, "one object: perplexity, tokens (that were scored)");
  command->callback([flags, &exit_code] { exit_code = run_perplexity(*flags); });
}

}  // namespace troupe::apps
