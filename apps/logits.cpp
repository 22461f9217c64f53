#include "apps/logits.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "apps/evaluation.hpp"
#include "apps/interrupt.hpp"
#include "apps/loaded_model.hpp"
#include "apps/model_flags.hpp"
#include "apps/progress.hpp"
#include "apps/standard_output.hpp"
#include "apps/text_file.hpp"
#include "apps/token_list.hpp"
#include "apps/top_logprobs.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

using config::UserError;

constexpr std::size_t kChunkTokens = Evaluation::kChunkTokens;
// A million ids of 7 digits, written with a space and a newline each.
constexpr std::size_t kFileBytesMax = std::size_t{16} << 20;

struct Flags {
  ModelFlags model;
  std::string tokens_file;
  std::int64_t top = 10;
  bool json = false;
};

std::vector<std::int32_t> read_tokens(const Flags& flags, const LoadedModel& model) {
  std::vector<std::int32_t> tokens =
      parse_token_list(read_text_file(flags.tokens_file, kFileBytesMax),
                       flags.tokens_file,
                       model.architecture.vocab);
  if (tokens.size() > model.context_max) {
    throw UserError(flags.tokens_file + ": holds " + std::to_string(tokens.size()) +
                    " tokens and the context " + std::to_string(model.context_max) +
                    ": shorten the list");
  }
  return tokens;
}

// Writes one position at a time, so that a long text needs no more memory than a short one.
class Printer {
 public:
  Printer(bool json, std::span<const std::int32_t> tokens) : json_(json), tokens_(tokens) {
    if (json_) std::fputs("{\"positions\": [", stdout);
  }

  void print(std::size_t position, const std::vector<TokenLogprob>& top) {
    json_ ? print_json(position, top) : print_line(position, top);
  }

  void finish() {
    if (json_) std::fputs("]}\n", stdout);
  }

 private:
  static void print_json(std::size_t position, const std::vector<TokenLogprob>& top) {
    nlohmann::ordered_json entries = nlohmann::ordered_json::array();
    for (const TokenLogprob& entry : top) {
      entries.push_back({{"id", entry.id}, {"logprob", entry.logprob}});
    }
    std::printf("%s%s", position == 0 ? "" : ",\n", entries.dump().c_str());
  }

  void print_line(std::size_t position, const std::vector<TokenLogprob>& top) const {
    std::printf("%6zu  %7d ", position, tokens_[position]);
    for (const TokenLogprob& entry : top) std::printf("  %d:%.4f", entry.id, entry.logprob);
    std::fputc('\n', stdout);
  }

  bool json_;
  std::span<const std::int32_t> tokens_;
};

int run_logits(const Flags& flags) {
  if (flags.tokens_file.empty()) throw UserError("no tokens: give --tokens-file IDS.json");
  const config::NodeConfig config = local_config(flags.model);
  watch_interrupts();
  Progress progress("loading " + config.model.file.string());
  const LoadedModel model = load_model(config.model);
  const auto vocab = static_cast<std::size_t>(model.architecture.vocab);
  if (flags.top < 1 || flags.top > model.architecture.vocab) {
    throw UserError("--top must be between 1 and the vocabulary's " + std::to_string(vocab));
  }
  const std::vector<std::int32_t> tokens = read_tokens(flags, model);
  Evaluation evaluation(model, config, tokens.size(), progress);
  Printer printer(flags.json, tokens);
  for (std::size_t begin = 0; begin < tokens.size() && !interrupted(); begin += kChunkTokens) {
    const std::size_t count = std::min(kChunkTokens, tokens.size() - begin);
    progress.update("position " + std::to_string(begin) + " of " + std::to_string(tokens.size()));
    const auto logits = evaluation.run(std::span(tokens).subspan(begin, count), begin, count);
    for (std::size_t row = 0; row < count; ++row) {
      const auto top =
          top_logprobs(logits.subspan(row * vocab, vocab), static_cast<std::size_t>(flags.top));
      if (top.empty()) {
        throw UserError("the model's logits at position " + std::to_string(begin + row) +
                        " are not finite: check the file with `troupe model verify`");
      }
      printer.print(begin + row, top);
    }
  }
  if (interrupted()) return kInterruptedExitCode;
  printer.finish();
  finish_output();
  return 0;
}

}  // namespace

void add_logits_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "logits", "For every position of a list of tokens the most likely tokens after it.");
  flags->model.add_to(*command);
  command
      ->add_option("--tokens-file",
                   flags->tokens_file,
                   "JSON: a list of ids, or what tokenize --json prints")
      ->type_name("IDS.json");
  command->add_option("--top", flags->top, "how many tokens for each position")
      ->type_name("K")
      ->capture_default_str();
  command->add_flag("--json", flags->json, "one object: positions");
  command->callback([flags, &exit_code] { exit_code = run_logits(*flags); });
}

}  // namespace troupe::apps
