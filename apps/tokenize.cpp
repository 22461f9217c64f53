#include "apps/tokenize.hpp"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/model_flags.hpp"
#include "apps/progress.hpp"
#include "apps/standard_output.hpp"
#include "apps/text_file.hpp"
#include "config/user_error.hpp"
#include "model/model_file.hpp"
#include "model/tokenizer.hpp"
#include "model/utf8.hpp"

namespace troupe::apps {
namespace {

using config::UserError;

// Ids and pieces of a longer text would not fit into a small machine's memory.
constexpr std::size_t kFileBytesMax = std::size_t{256} << 20;

struct Flags {
  ModelFlags model;
  std::optional<std::string> text;
  std::optional<std::string> file;
  bool no_special = false;
  bool json = false;
};

std::string text_of(const Flags& flags) {
  if (flags.text.has_value() == flags.file.has_value()) {
    throw UserError("give either the TEXT to tokenize or --file F");
  }
  return flags.text ? *flags.text : read_text_file(*flags.file, kFileBytesMax);
}

// A token may be a part of a character; JSON and terminals want whole ones.
std::string printable(const model::Tokenizer& tokenizer, std::int32_t id) {
  return model::utf8::replace_invalid(tokenizer.piece(id));
}

void print_json(const model::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  nlohmann::ordered_json json{{"ids", ids}, {"pieces", nlohmann::ordered_json::array()}};
  for (const std::int32_t id : ids) json["pieces"].push_back(printable(tokenizer, id));
  std::printf("%s\n", json.dump().c_str());
}

void print_lines(const model::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  for (const std::int32_t id : ids) {
    const std::string quoted = nlohmann::json(printable(tokenizer, id)).dump();
    std::printf("%8d  %s\n", id, quoted.c_str());
  }
}

int run_tokenize(const Flags& flags) {
  const config::NodeConfig config = local_config(flags.model);
  const std::string text = text_of(flags);
  Progress progress("tokenizing " + std::to_string(text.size()) + " bytes");
  const model::Tokenizer tokenizer(model::ModelFile::open(config.model.file));
  const std::vector<std::int32_t> ids = tokenizer.encode(
      text, flags.no_special ? model::SpecialTokens::kAsText : model::SpecialTokens::kParse);
  progress.finish();
  (flags.json ? print_json : print_lines)(tokenizer, ids);
  finish_output();
  return 0;
}

}  // namespace

void add_tokenize_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "tokenize", "Token ids and pieces of a text; special tokens in it are read as such.");
  flags->model.add_to(*command);
  command->add_option("text", flags->text, "the text itself")->type_name("TEXT");
  command->add_option("--file", flags->file, "a file with the text")->type_name("F");
  command->add_flag("--no-special", flags->no_special, "<|im_start|> and the like are plain text");
  command->add_flag("--json", flags->json, "one object: ids, pieces");
  command->callback([flags, &exit_code] { exit_code = run_tokenize(*flags); });
}

}  // namespace troupe::apps
