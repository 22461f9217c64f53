#include "apps/top.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/admin_client.hpp"
#include "apps/status.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kAnswerTimeout{5};
constexpr double kSecondsBetweenDefault = 1.0;

std::string count(const json& value) { return std::to_string(value.get<std::uint64_t>()); }

std::string cell(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text + "  ";
}

// Widths count characters on the screen; the lines of the tree are three bytes each.
std::string branch(bool last) { return last ? "└─ " : "├─ "; }

std::string stem(bool last) { return last ? "   " : "│  "; }

std::string row(const std::string& lead, const std::string& name, const json& of) {
  const bool runs = of.at("pid").get<std::int64_t>() != 0;
  const std::string pid = runs ? std::to_string(of.at("pid").get<std::int64_t>()) : "-";
  return lead + cell(name, 14) + cell(of.at("state"), 10) + cell(pid, 8) +
         cell(runs ? duration_text(of.at("uptime_s")) : "-", 12) +
         cell(count(of.at("restarts")), 8) + cell(count(of.at("generation")), 16) +
         cell(count(of.at("waiting")), 7) + cell(count(of.at("in_flight")), 9) +
         of.at("last_reason").get<std::string>() + "\n";
}

// Stages live and die with their process: they have no state of their own.
std::string process_rows(const json& process, bool last) {
  std::string text = row(branch(last), process.at("name"), process);
  const json& stages = process.at("stages");
  for (std::size_t i = 0; i < stages.size(); ++i) {
    text += stem(last) + branch(i + 1 == stages.size()) + stages[i].get<std::string>() + "\n";
  }
  return text;
}

std::string tree_of(const json& status, std::optional<double> tokens_per_second) {
  const char* state = status.at("draining") ? "draining"
                      : status.at("ready")  ? "ready"
                                            : "not ready";
  std::string text = status.at("node").get<std::string>() + ": " + state + ", up " +
                     duration_text(status.at("uptime_s")) + ", " +
                     status.at("model").get<std::string>() + "\n";
  const json& requests = status.at("requests");
  text += count(requests.at("running")) + " running, " + count(requests.at("queued")) +
          " queued, " + count(requests.at("accepted")) + " accepted, " +
          count(requests.at("finished")) + " finished, " + count(requests.at("refused")) +
          " refused";
  if (tokens_per_second) {
    char rate[32];
    std::snprintf(rate, sizeof rate, ", %.0f tokens/s", *tokens_per_second);
    text += rate;
  }
  text += "\n\n" + cell("root", 17) + cell("STATE", 10) + cell("PID", 8) + cell("UPTIME", 12) +
          cell("RESTARTS", 8) + cell("GENERATION", 16) + cell("MAILBOX", 7) + cell("IN FLIGHT", 9) +
          "LAST REASON\n";
  const json& processes = status.at("processes");
  for (std::size_t i = 0; i < processes.size(); ++i) {
    text += process_rows(processes[i], i + 1 == processes.size());
  }
  return text;
}

std::string ask(const NodeChoice& node) {
  AdminClient client(node.state_folder());
  client.send_line(R"({"command":"status"})");
  return client.read_line(kAnswerTimeout);
}

// Until it is interrupted, or the node is gone.
void watch(const NodeChoice& node, double seconds_between) {
  std::optional<double> tokens_before;
  Clock::time_point time_before;
  for (;;) {
    const std::string line = ask(node);
    const auto now = Clock::now();
    const double tokens = json::parse(line).value("generated_tokens", 0.0);
    std::optional<double> rate;
    if (tokens_before && tokens >= *tokens_before) {
      rate = (tokens - *tokens_before) / std::chrono::duration<double>(now - time_before).count();
    }
    // Home, the picture, and away with what is below it: without a flicker (ECMA-48, CUP and ED).
    std::fputs(("\x1b[H" + status_tree(line, rate) + "\x1b[J").c_str(), stdout);
    std::fflush(stdout);
    tokens_before = tokens;
    time_before = now;
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_between));
  }
}

struct TopFlags {
  NodeChoice node;
  bool once = false;
  double seconds_between = kSecondsBetweenDefault;
};

}  // namespace

std::string status_tree(std::string_view json_line, std::optional<double> tokens_per_second) {
  try {
    return tree_of(json::parse(json_line), tokens_per_second);
  } catch (const json::exception& error) {
    throw config::UserError(
        std::string("the node's answer is no status (is it another version?): ") + error.what());
  }
}

void add_top_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("top", "Watch the processes of a running node (Ctrl-C ends it)");
  const auto flags = std::make_shared<TopFlags>();
  flags->node.add_to(*command);
  command->add_flag("--once", flags->once, "One picture, then end");
  command->add_option("--interval", flags->seconds_between, "Seconds between two pictures")
      ->check(CLI::Range(0.1, 3600.0));
  command->callback([flags, &exit_code] {
    if (flags->once || isatty(STDOUT_FILENO) == 0) {
      std::fputs(status_tree(ask(flags->node), std::nullopt).c_str(), stdout);
    } else {
      std::fputs("\x1b[2J", stdout);
      watch(flags->node, flags->seconds_between);
    }
    exit_code = 0;
  });
}

}  // namespace troupe::apps
