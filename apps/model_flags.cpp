#include "apps/model_flags.hpp"

#include <filesystem>
#include <string_view>

#include "config/check.hpp"
#include "config/keys.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

using config::UserError;

const config::Key& key_of(std::string_view section, std::string_view name) {
  const config::Key* key = config::find_key(section, name);
  CHECK(key != nullptr, "every flag names a key of the table");
  return *key;
}

void check(const char* flag, const config::Key& key, const config::NodeConfig& config) {
  const std::string problem = config::problem_of(key, config);
  if (!problem.empty()) throw UserError(std::string(flag) + " " + problem);
}

void set(const char* flag,
         const config::Key& key,
         const std::optional<std::string>& value,
         config::NodeConfig& config) {
  if (!value) return;
  if (value->empty()) throw UserError(std::string(flag) + " must not be empty");
  config::set_text(key, config, *value, std::filesystem::current_path());
  check(flag, key, config);
}

void set(const char* flag,
         const config::Key& key,
         const std::optional<std::int64_t>& value,
         config::NodeConfig& config) {
  if (!value) return;
  const std::string problem = config::set_integer(key, config, *value);
  if (!problem.empty()) throw UserError(std::string(flag) + " " + problem);
  check(flag, key, config);
}

}  // namespace

void ModelFlags::add_to(CLI::App& command) {
  command.add_option("--model", model_, "GGUF file of the model, or its Hugging Face folder")
      ->type_name("FILE");
  command.add_option("--precision", precision_, "default, exact, q4 or fp32")->type_name("NAME");
  command.add_option("--kv", kv_, "how keys and values are kept: bf16 or int8")->type_name("TYPE");
  command.add_option("--device", device_, "auto or cpu (cuda is planned)")->type_name("NAME");
  command
      .add_option("--cpu-backend",
                  cpu_backend_,
                  "auto, amx, avx512_bf16, avx512, avx512f, avx_vnni, avx2 or scalar")
      ->type_name("NAME");
  command.add_option("--threads", threads_, "threads that compute; 0: one a core")->type_name("N");
  command.add_option("--context", context_, "tokens of prompt and answer; 0: the model's own")
      ->type_name("N");
  command
      .add_option("--chat-template", chat_template_, "Jinja template instead of the model's own")
      ->type_name("FILE");
  command.add_option("--alias", alias_, "the name that clients use")->type_name("NAME");
}

void ModelFlags::apply_to(config::NodeConfig& config) const {
  set("--model", key_of("model", "file"), model_, config);
  set("--precision", key_of("model", "precision"), precision_, config);
  set("--kv", key_of("model", "kv"), kv_, config);
  set("--device", key_of("model", "device"), device_, config);
  set("--cpu-backend", key_of("model", "cpu_backend"), cpu_backend_, config);
  set("--chat-template", key_of("model", "chat_template"), chat_template_, config);
  set("--alias", key_of("model", "alias"), alias_, config);
  set("--threads", key_of("node", "threads"), threads_, config);
  set("--context", key_of("model", "context"), context_, config);
}

config::NodeConfig local_config(const ModelFlags& flags) {
  config::NodeConfig config;
  flags.apply_to(config);
  if (config.model.file.empty()) throw UserError("no model named: give --model FILE");
  return config;
}

}  // namespace troupe::apps
