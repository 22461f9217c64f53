#include "apps/status.hpp"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/node_status.hpp"

namespace troupe::apps {
namespace {

using nlohmann::json;

std::string row(const std::string& name, const std::string& value) {
  return padded(name, 9) + (value.empty() ? "-" : value) + "\n";
}

std::string process_row(const json& process) {
  const auto pid = process.at("pid").get<std::int64_t>();
  return padded(process.at("name"), 10) + padded(pid == 0 ? "-" : std::to_string(pid), 8) +
         padded(process.at("state"), 8) + padded(duration_text(process.at("uptime_s")), 12) +
         padded(std::to_string(process.at("restarts").get<std::uint64_t>()), 8) +
         process.at("last_reason").get<std::string>() + "\n";
}

std::string table_of(const json& status) {
  std::string text = row("node", status.at("node"));
  text += row("state",
              std::string(state_of(status)) + ", up " + duration_text(status.at("uptime_s")) +
                  ", troupe " + status.at("version").get<std::string>());
  for (const char* name : {"model", "http", "zmq"}) text += row(name, status.at(name));
  text += row("numerics", status.at("numerics_id"));
  std::string counts;
  for (const char* name : {"accepted", "finished", "refused", "queued", "running"}) {
    counts +=
        std::to_string(status.at("requests").at(name).get<std::uint64_t>()) + " " + name + ", ";
  }
  const auto tokens = status.at("generated_tokens").get<std::uint64_t>();
  text += row("requests", counts + std::to_string(tokens) + " tokens generated");
  text += "\n" + padded("PROCESS", 10) + padded("PID", 8) + padded("STATE", 8) +
          padded("UPTIME", 12) + padded("RESTARTS", 8) + "LAST REASON\n";
  for (const json& process : status.at("processes")) text += process_row(process);
  return text;
}

}  // namespace

void add_status_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("status", "Show what a running node is doing");
  const auto node = std::make_shared<NodeChoice>();
  const auto as_json = std::make_shared<bool>(false);
  node->add_to(*command);
  command->add_flag("--json", *as_json, "One JSON object");
  command->callback([node, as_json, &exit_code] {
    const std::string line = ask_status(*node);
    std::fputs((*as_json ? line + "\n" : draw_status(line, table_of)).c_str(), stdout);
    exit_code = 0;
  });
}

}  // namespace troupe::apps
