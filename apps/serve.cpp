#include "apps/serve.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "actors/supervision/node_lock.hpp"
#include "apps/model_flags.hpp"
#include "apps/step_mark.hpp"
#include "config/keys.hpp"
#include "config/node_config.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

namespace fs = std::filesystem;

struct ServeFlags {
  ModelFlags model;
  std::optional<std::string> config;
  std::optional<std::string> http;
  std::optional<std::string> zmq;
  std::optional<std::string> state;
  std::optional<std::string> logs;
  std::optional<std::uint32_t> workers;
};

config::NodeConfig read_config(const ServeFlags& flags) {
  config::NodeConfig config = flags.config
                                  ? config::load_config(*flags.config)
                                  : config::parse_config("", fs::current_path(), "defaults");
  flags.model.apply_to(config);
  if (flags.http) config.gateway.http = *flags.http;
  if (flags.zmq) {
    config::set_text(*config::find_key("gateway", "zmq"), config, *flags.zmq, fs::current_path());
  }
  if (flags.state) config.node.state = fs::absolute(*flags.state).lexically_normal();
  if (flags.logs) config.node.logs = fs::absolute(*flags.logs).lexically_normal();
  if (flags.workers) config.node.workers = *flags.workers;
  config::finish_config(config);
  return config;
}

void check_model(const fs::path& file) {
  constexpr const char* kRemedy = "; scripts/fetch_model.sh fetches one";
  if (file.empty()) {
    throw config::UserError(
        std::string("no model: name a GGUF file or a folder with --model or model.file") + kRemedy);
  }
  std::error_code error;
  if (!fs::exists(file, error)) {
    throw config::UserError(file.string() + ": no such model file" + kRemedy);
  }
  if (!fs::is_regular_file(file, error) && !fs::is_directory(file, error)) {
    throw config::UserError(file.string() + ": not a model; --model wants a GGUF file or a folder" +
                            kRemedy);
  }
  if (fs::is_directory(file, error) && !fs::exists(file / "config.json", error)) {
    throw config::UserError(file.string() +
                            ": a folder without config.json; --model wants a GGUF file or a "
                            "Hugging Face folder" +
                            kRemedy);
  }
  if (access(file.c_str(), R_OK) != 0) {
    throw config::UserError(file.string() + ": cannot read the model: " + std::strerror(errno));
  }
}

// The folder belongs to one user: its sockets are doors into the node.
void make_state_folder(const fs::path& state) {
  std::error_code error;
  if (fs::is_directory(state, error)) return;
  fs::create_directories(state, error);
  if (error) {
    throw config::UserError(state.string() + ": cannot make the state folder: " + error.message() +
                            "; choose another one with --state");
  }
  fs::permissions(state, fs::perms::owner_all, error);
}

// Under another name first: a reader never sees half a file.
fs::path write_effective_config(const config::NodeConfig& config) {
  const fs::path file = config.node.state / "effective.toml";
  const fs::path draft = config.node.state / "effective.toml.new";
  std::ofstream out(draft, std::ios::trunc);
  out << "# What this node runs with. Written at its start, removed at its end.\n"
      << config::to_toml(config);
  out.close();
  std::error_code error;
  if (out) fs::rename(draft, file, error);
  if (!out || error) {
    throw config::UserError(file.string() +
                            ": cannot write: " + (error ? error.message() : std::strerror(errno)) +
                            "; free some space or choose another folder with --state");
  }
  return file;
}

// The same process under the command line `troupe root …`, so that ps shows its role.
[[noreturn]] void become_root(const fs::path& config_file, int lock_fd) {
  const std::string file = config_file.string();
  const std::string lock = std::to_string(lock_fd);
  const char* arguments[] = {
      "troupe", "root", "--config", file.c_str(), "--lock-fd", lock.c_str(), nullptr};
  execv("/proc/self/exe", const_cast<char* const*>(arguments));
  throw config::UserError(std::string("/proc/self/exe: cannot start the root process: ") +
                          std::strerror(errno));
}

[[noreturn]] void serve(const ServeFlags& flags) {
  const config::NodeConfig config = read_config(flags);
  check_model(config.model.file);
  make_state_folder(config.node.state);
  const auto lock = actors::supervision::NodeLock::take(config.node.state);
  remove_step_marks(config.node.state);
  become_root(write_effective_config(config), lock.fd());
}

}  // namespace

void add_serve_command(CLI::App& app, int&) {
  CLI::App* command = app.add_subcommand("serve", "Serve a model over HTTP and ZeroMQ");
  const auto flags = std::make_shared<ServeFlags>();
  command->add_option(
      "--config", flags->config, "Configuration file (config/troupe.toml explains)");
  flags->model.add_to(*command);
  command->add_option("--http", flags->http, "HOST:PORT of HTTP (default: 127.0.0.1:8080)");
  command->add_option("--zmq", flags->zmq, "Endpoint of ZeroMQ (default: tcp://127.0.0.1:5555)");
  command->add_option("--workers", flags->workers, "Worker processes (default: 1)");
  command->add_option("--state", flags->state, "Folder of the running node (default: state)");
  command->add_option("--logs", flags->logs, "Folder of the logs (default: logs)");
  command->callback([flags] { serve(*flags); });
}

}  // namespace troupe::apps
