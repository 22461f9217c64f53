#include "apps/stage_faults.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace troupe::apps {
namespace {

// ReplyPlan; of messages that are none of ours their atom: tick; the ZeroMQ door's raw frames:
// frame.
std::string kind_of(caf::actor_system& system, const caf::type_erased_tuple& message) {
  constexpr std::string_view kOurs = "troupe::messages::";
  for (std::size_t i = 0; i < message.size(); ++i) {
    const std::string_view name = system.types().portable_name(message.type(i));
    if (name.starts_with(kOurs)) return std::string(name.substr(kOurs.size()));
  }
  const bool atom = message.size() > 0 && message.match_element<caf::atom_value>(0);
  return atom ? caf::to_string(message.get_as<caf::atom_value>(0)) : "frame";
}

class StageFaults {
 public:
  StageFaults(caf::actor_system& system,
              const config::FaultConfig& config,
              std::filesystem::path mark)
      : system_(system), config_(config), mark_(std::move(mark)) {}

  void before(const caf::type_erased_tuple& message, bool again) {
    const std::string kind = kind_of(system_, message);
    if (!config_.throw_on.empty() && config_.throw_on != kind) return;
    if (again ? config_.throw_always != 0 : is_due(kind)) {
      throw std::runtime_error("a fault on purpose at " + kind);
    }
  }

 private:
  bool is_due(const std::string& kind) {
    const std::uint32_t count = ++seen_[kind];
    if (config_.throw_every != 0 && count % config_.throw_every == 0) return true;
    return config_.throw_first != 0 && count == 1 && is_first_in_node(kind);
  }

  // A file, because a process that the exception ends must not end at it for ever.
  bool is_first_in_node(const std::string& kind) const {
    const std::string mark = mark_.string() + "." + kind;
    const int made = open(mark.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (made >= 0) close(made);
    return made >= 0;
  }

  caf::actor_system& system_;
  config::FaultConfig config_;
  std::filesystem::path mark_;                 // the beginning of a path
  std::map<std::string, std::uint32_t> seen_;  // by kind
};

}  // namespace

actors::aggregate::Aggregator::Probe token_fault(const config::FaultConfig& config) {
  if (config.throw_token == 0) return {};
  return
      [token = static_cast<std::int32_t>(config.throw_token)](const messages::TokenEvent& event) {
        if (event.token == token) throw std::runtime_error("a fault on purpose at a token");
      };
}

std::function<void(const caf::type_erased_tuple& message, bool again)> stage_faults(
    caf::actor_system& system,
    const config::FaultConfig& config,
    const std::filesystem::path& state,
    const std::string& stage) {
  const std::string name = stage.substr(0, stage.find('-'));
  if (("," + config.throw_in + ",").find("," + name + ",") == std::string::npos) return {};
  const auto faults = std::make_shared<StageFaults>(system, config, state / ("fault." + name));
  return [faults](const caf::type_erased_tuple& message, bool again) {
    faults->before(message, again);
  };
}

}  // namespace troupe::apps
