#include "apps/top.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "apps/node_status.hpp"

namespace troupe::apps {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr double kSecondsBetweenDefault = 1.0;

std::string count(const json& value) { return std::to_string(value.get<std::uint64_t>()); }

// Widths count characters on the screen; the lines of the tree are three bytes each.
std::string branch(bool last) { return last ? "└─ " : "├─ "; }

std::string stem(bool last) { return last ? "   " : "│  "; }

std::string tail_of(const json& of) {
  return padded(count(of.at("restarts")), 8) + padded(count(of.at("generation")), 16) +
         padded(count(of.at("waiting")), 7) + padded(count(of.at("in_flight")), 9) +
         of.at("last_reason").get<std::string>() + "\n";
}

std::string row(const std::string& lead, const std::string& name, const json& of) {
  const bool runs = of.at("pid").get<std::int64_t>() != 0;
  const std::string pid = runs ? std::to_string(of.at("pid").get<std::int64_t>()) : "-";
  return lead + padded(name, 14) + padded(of.at("state"), 10) + padded(pid, 8) +
         padded(runs ? duration_text(of.at("uptime_s")) : "-", 12) + tail_of(of);
}

std::string stage_row(const std::string& lead, const json& of) {
  return lead + padded(of.at("name"), 11) + padded(of.at("state"), 10) + padded("", 8) +
         padded("", 12) + tail_of(of);
}

std::string process_rows(const json& process, bool last) {
  std::string text = row(branch(last), process.at("name"), process);
  const json& stages = process.at("stages");
  for (std::size_t i = 0; i < stages.size(); ++i) {
    text += stage_row(stem(last) + branch(i + 1 == stages.size()), stages[i]);
  }
  return text;
}

std::string tree_of(const json& status, std::optional<double> tokens_per_second) {
  std::string text = status.at("node").get<std::string>() + ": " + state_of(status) + ", up " +
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
  text += "\n\n" + padded("root", 17) + padded("STATE", 10) + padded("PID", 8) +
          padded("UPTIME", 12) + padded("RESTARTS", 8) + padded("GENERATION", 16) +
          padded("MAILBOX", 7) + padded("IN FLIGHT", 9) + "LAST REASON\n";
  const json& processes = status.at("processes");
  for (std::size_t i = 0; i < processes.size(); ++i) {
    text += process_rows(processes[i], i + 1 == processes.size());
  }
  return text;
}

// Tokens a second between two pictures; unknown for the first, and when the front has begun anew.
class Rate {
 public:
  std::optional<double> next(double tokens) {
    const Clock::time_point now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - time_).count();
    const bool known = tokens_ && tokens >= *tokens_;
    const std::optional<double> rate =
        known ? std::optional((tokens - *tokens_) / seconds) : std::nullopt;
    tokens_ = tokens;
    time_ = now;
    return rate;
  }

 private:
  std::optional<double> tokens_;
  Clock::time_point time_;
};

// Until it is interrupted, or the node is gone.
void watch(const NodeChoice& node, double seconds_between) {
  Rate rate;
  const auto draw = [&rate](const json& status) {
    return tree_of(status, rate.next(status.at("generated_tokens")));
  };
  std::fputs("\x1b[2J", stdout);
  for (;;) {
    // Home, the picture, and away with what is below it: without a flicker (ECMA-48, CUP and ED).
    std::fputs(("\x1b[H" + draw_status(ask_status(node), draw) + "\x1b[J").c_str(), stdout);
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_between));
  }
}

struct TopFlags {
  NodeChoice node;
  bool once = false;
  double seconds_between = kSecondsBetweenDefault;
};

}  // namespace

void add_top_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("top", "Watch the processes of a running node (Ctrl-C ends it)");
  const auto flags = std::make_shared<TopFlags>();
  flags->node.add_to(*command);
  command->add_flag(
      "--once", flags->once, "One picture, then end; so it does where no terminal is");
  command->add_option("--interval", flags->seconds_between, "Seconds between two pictures")
      ->check(CLI::Range(0.1, 3600.0));
  command->callback([flags, &exit_code] {
    if (!flags->once && isatty(STDOUT_FILENO) != 0) {
      watch(flags->node, flags->seconds_between);
    } else {
      const auto draw = [](const json& status) { return tree_of(status, std::nullopt); };
      std::fputs(draw_status(ask_status(flags->node), draw).c_str(), stdout);
    }
    exit_code = 0;
  });
}

}  // namespace troupe::apps
