#include "apps/model_inspect.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/file_checksums.hpp"
#include "apps/loaded_model.hpp"
#include "apps/machine.hpp"
#include "apps/model_facts.hpp"
#include "apps/model_verify.hpp"
#include "apps/progress.hpp"
#include "apps/standard_output.hpp"
#include "config/user_error.hpp"
#include "model/architecture.hpp"
#include "model/chat_template.hpp"
#include "model/checksum.hpp"
#include "model/model_file.hpp"
#include "model/precision.hpp"
#include "model/rope_frequencies.hpp"
#include "model/tokenizer.hpp"
#include "model/weights.hpp"

namespace troupe::apps {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  std::string file;
  bool json = false;
  bool no_checksums = false;
};

std::string text_or(const model::ModelFile& file, const char* key, const char* otherwise) {
  return std::string(file.find_string(key).value_or(otherwise));
}

// Only what serves to know the file by; lists and templates are left out.
Json highlights(const model::ModelFile& file) {
  constexpr const char* kKeys[] = {"general.name",
                                   "general.basename",
                                   "general.finetune",
                                   "general.size_label",
                                   "general.license",
                                   "general.quantized_by",
                                   "general.url"};
  Json json = Json::object();
  for (const char* key : kKeys) {
    if (const auto value = file.find_string(key)) json[key] = std::string(*value);
  }
  return json;
}

// The template may be one that cannot be rendered: then the file can still be inspected.
std::string template_kind(const model::ModelFile& file) {
  if (!file.find_string("tokenizer.chat_template")) return "none";
  try {
    const model::ChatTemplate chat_template(file);
    return "jinja";
  } catch (const config::UserError&) {
    return "not supported";
  }
}

Json architecture_json(const model::Architecture& a) {
  return {{"family", a.family},
          {"name", a.display_name},
          {"layers", a.layers},
          {"hidden", a.hidden},
          {"heads", a.heads},
          {"kv_heads", a.kv_heads},
          {"head_dim", a.head_dim},
          {"feed_forward", a.feed_forward},
          {"vocab", a.vocab},
          {"context", a.context_max},
          {"rope_base", a.rope_base},
          {"rope_scaling", std::string(model::rope_scaling_name(a))}};
}

Json tokenizer_json(const model::ModelFile& file) {
  const model::Tokenizer tokenizer(file);
  return {{"kind", text_or(file, "tokenizer.ggml.model", "unknown")},
          {"pre_tokenizer", text_or(file, "tokenizer.ggml.pre", "default")},
          {"tokens", tokenizer.vocab_size()},
          {"bos", tokenizer.bos()},
          {"eos", tokenizer.eos()},
          {"adds_bos", tokenizer.adds_bos()},
          {"end_of_generation", tokenizer.end_of_generation()},
          {"chat_template", template_kind(file)}};
}

// What `troupe serve` would plan with the default configuration, or why it would refuse.
Json plan_json(const model::ModelFile& file, const model::Architecture& architecture) {
  config::NodeConfig config;
  config.model.file = file.name();
  const auto context = static_cast<std::uint32_t>(architecture.context_max);
  const std::uint32_t sequences = config.batch.sequences_max;
  try {
    const MemoryPlan plan =
        plan_memory(memory_needs(file, architecture, context, config, sequences));
    return {{"weights_bytes", plan.weights},
            {"kv_bytes", plan.kv},
            {"scratch_bytes", plan.scratch},
            {"processes_bytes", plan.processes},
            {"total_bytes", plan.total()},
            {"kv_blocks", plan.kv_blocks},
            {"full_contexts", plan.contexts},
            {"sequences_max", sequences}};
  } catch (const config::UserError& error) {
    return {{"refused", error.what()}};
  }
}

// What one process and sequence take in each precision, for a few lengths of context: bytes, or why
// it would not fit.
Json precisions_json(const model::ModelFile& file, const model::Architecture& architecture) {
  constexpr std::uint32_t kContexts[] = {2048, 8192, 32768};
  const auto trained = static_cast<std::uint32_t>(architecture.context_max);
  std::vector<std::uint32_t> contexts;
  std::ranges::copy_if(kContexts, std::back_inserter(contexts), [&](std::uint32_t context) {
    return context < trained;
  });
  contexts.push_back(trained);
  Json json = Json::object();
  for (const char* precision : {"default", "exact", "q4", "fp32"}) {
    config::NodeConfig config;
    config.model.precision = precision;
    for (const std::uint32_t context : contexts) {
      const MemoryNeeds needs = memory_needs(file, architecture, context, config, 1);
      Json& entry = json[precision];
      entry["weights_bytes"] = needs.weights;
      try {
        const std::uint64_t total = plan_memory(needs).total();
        entry["total_bytes_for_" + std::to_string(context) + "_tokens"] = total;
      } catch (const config::UserError& error) {
        entry["total_bytes_for_" + std::to_string(context) + "_tokens"] = error.what();
      }
    }
  }
  return json;
}

Json memory_json(const model::ModelFile& file,
                 const model::Architecture& architecture,
                 const ModelFacts& facts) {
  const MemoryLimit limit = memory_limit();
  return {{"weights_bytes", facts.weight_bytes},
          {"kv_bytes_per_token", facts.kv_bytes_per_token},
          {"kv_bytes_full_context", facts.kv_bytes_full_context},
          {"scratch_bytes", facts.scratch_bytes},
          {"total_bytes", facts.weight_bytes + facts.kv_bytes_full_context + facts.scratch_bytes},
          {"limit_bytes", limit.bytes},
          {"limit_source", limit.source},
          {"serve_plan", plan_json(file, architecture)},
          {"one_sequence", precisions_json(file, architecture)}};
}

// The fingerprint is what packed weights are known by.
Json checksums_json(const model::ModelFile& file, bool whole) {
  if (!whole) return Json::object();
  Progress progress("computing checksums");
  Json json{{"fingerprint", model::hexadecimal(model::weights_fingerprint(file))}};
  for (const FileChecksum& each : file_checksums(file)) {
    const bool agrees = each.stated == each.sha256;
    const char* stated = agrees ? "as stated" : each.stated ? "NOT as stated" : "none stated";
    json["sha256"][each.file] = {{"digest", each.sha256}, {"beside_it", stated}};
  }
  return json;
}

Json inspect(const model::ModelFile& file, bool with_checksums) {
  const model::Architecture architecture = model::read_architecture(file);
  const ModelFacts facts = model_facts(file, architecture);
  Json types = Json::object();
  for (const auto& [name, type] : facts.tensor_types) {
    types[name] = {{"tensors", type.tensors}, {"bytes", type.bytes}};
  }
  return {{"file", file.name()},
          {"file_bytes", facts.file_bytes},
          {"architecture", architecture_json(architecture)},
          {"parameters", facts.parameters},
          {"tensor_types", std::move(types)},
          {"tokenizer", tokenizer_json(file)},
          {"kv", model::name_of(kernels::KvType::kBf16)},
          {"memory", memory_json(file, architecture, facts)},
          {"metadata", highlights(file)},
          {"checksums", checksums_json(file, with_checksums)},
          {"chat_template", text_or(file, "tokenizer.chat_template", "")}};
}

// Text from a file must not drive the terminal.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char character) { return character < ' ' && character != '\n'; }, '?');
  return text;
}

std::string with_unit(const std::string& name, const Json& value) {
  if (value.is_string()) return printable(value.get<std::string>());
  if (name.find("bytes") == std::string::npos) return value.dump();
  constexpr double kMib = 1024.0 * 1024.0;
  char text[64];
  std::snprintf(text, sizeof text, "%.2f MiB", value.get<double>() / kMib);
  return value.get<std::uint64_t>() < 1U << 20U ? value.dump() + " bytes" : text;
}

// The JSON as indented lines: one list of facts behind both forms.
void print_lines(const Json& json, int indent) {
  for (const auto& [name, value] : json.items()) {
    std::string label = name;
    const bool is_type = label.front() >= 'A' && label.front() <= 'Z';  // Q4_1
    const bool is_of_file = label.find('.') != std::string::npos;       // a name or a metadata key
    if (!is_type && !is_of_file) std::ranges::replace(label, '_', ' ');
    if (value.is_object()) {
      std::printf("%*s%s\n", indent, "", label.c_str());
      print_lines(value, indent + 2);
    } else {
      const std::string text = with_unit(name, value);
      std::printf("%*s%-*s  %s\n", indent, "", 24 - indent, label.c_str(), text.c_str());
    }
  }
}

int run_inspect(const Flags& flags) {
  Json json = inspect(model::ModelFile::open(flags.file), !flags.no_checksums);
  if (flags.json) {
    std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    const std::string chat_template = json["chat_template"].get<std::string>();
    json.erase("chat_template");
    print_lines(json, 0);
    if (!chat_template.empty())
      std::printf("chat template\n%s\n", printable(chat_template).c_str());
  }
  finish_output();
  return 0;
}

}  // namespace

void add_model_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* group = app.add_subcommand("model", "Looks at model files.");
  group->require_subcommand(1);
  CLI::App* command = group->add_subcommand("inspect",
                                            "Architecture, sizes, tensor types, tokenizer, memory "
                                            "plans, checksums and chat template of a "
                                            "file.");
  command->add_option("file", flags->file, "GGUF file or folder")->type_name("FILE")->required();
  command->add_flag("--json", flags->json, "one object");
  command->add_flag(
      "--no-checksums", flags->no_checksums, "without those for which every byte is read");
  command->callback([flags, &exit_code] { exit_code = run_inspect(*flags); });
  add_model_verify_command(*group, exit_code);
}

}  // namespace troupe::apps
