#include "actors/supervision/admin_protocol.hpp"

#include <nlohmann/json.hpp>

#include "actors/observe/json_line.hpp"

namespace troupe::actors::supervision {
namespace {

using json = nlohmann::ordered_json;

json to_json(const messages::StageStatus& stage) {
  return {{"name", stage.name},
          {"kind", "actor"},
          {"id", stage.id},
          {"state", stage.state},
          {"generation", stage.generation},
          {"restarts", stage.restarts},
          {"waiting", stage.waiting},
          {"in_flight", stage.in_flight},
          {"last_reason", stage.last_reason}};
}

json to_json(const ProcessStatus& process) {
  json stages = json::array();
  for (const messages::StageStatus& stage : process.stages) stages.push_back(to_json(stage));
  return {{"name", process.name},
          {"kind", "process"},
          {"pid", process.pid},
          {"state", process.state},
          {"generation", process.generation},
          {"uptime_s", process.uptime_s},
          {"restarts", process.restarts},
          {"waiting", process.waiting},
          {"in_flight", process.in_flight},
          {"stages", std::move(stages)},
          {"last_reason", process.last_reason}};
}

json requests_of(const messages::FrontStatus& front) {
  return {{"accepted", front.accepted},
          {"finished", front.finished},
          {"refused", front.refused},
          {"queued", front.queued},
          {"running", front.running}};
}

}  // namespace

AdminRequest read_admin_request(std::string_view line) {
  const json request = json::parse(line, nullptr, false);
  if (!request.is_object()) return {.error = "a request is one JSON object on a line"};
  const auto command = request.find("command");
  if (command == request.end() || !command->is_string()) {
    return {.error = "a request has a text \"command\": status or drain"};
  }
  if (*command == "status") return {AdminCommand::kStatus, {}};
  if (*command == "drain") return {AdminCommand::kDrain, {}};
  return {.error = "unknown command; known are status and drain"};
}

std::string to_json_line(const NodeStatus& status) {
  json processes = json::array();
  for (const ProcessStatus& process : status.processes) processes.push_back(to_json(process));
  const json all{{"node", status.node},
                 {"version", status.version},
                 {"uptime_s", status.uptime_s},
                 {"ready", status.ready},
                 {"draining", status.draining},
                 {"model", status.front.model},
                 {"http", status.front.http},
                 {"zmq", status.front.zmq},
                 {"numerics_id", status.front.numerics_id},
                 {"processes", std::move(processes)},
                 {"requests", requests_of(status.front)},
                 {"generated_tokens", status.front.generated_tokens}};
  return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string error_json_line(std::string_view error) {
  return observe::JsonLine().text("error", error).str();
}

}  // namespace troupe::actors::supervision
