#include "apps/stage_faults.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

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

bool throws_in(const config::FaultConfig& config, const std::string& stage) {
  return ("," + config.throw_in + ",").find("," + stage + ",") != std::string::npos;
}

void throw_over(std::int32_t token, const config::FaultConfig& config) {
  if (token != static_cast<std::int32_t>(config.throw_token)) return;
  throw std::runtime_error("a fault on purpose at a token");
}

}  // namespace

StageFaults::StageFaults(caf::actor_system& system,
                         const config::FaultConfig& config,
                         std::string mark)
    : system_(system), config_(config), mark_(std::move(mark)) {}

void StageFaults::before(const caf::type_erased_tuple& message, bool again) {
  kind_ = kind_of(system_, message);
  again_ = again;
  if (config_.throw_at.empty()) throw_if_due(kind_);
}

void StageFaults::at(std::string_view place) {
  if (config_.throw_at == place) throw_if_due(kind_ + "." + std::string(place));
}

void StageFaults::throw_if_due(const std::string& what) {
  if (!config_.throw_on.empty() && config_.throw_on != kind_) return;
  if (again_ ? config_.throw_always != 0 : is_due(what)) {
    throw std::runtime_error("a fault on purpose at " + what);
  }
}

bool StageFaults::is_due(const std::string& what) {
  const std::uint32_t count = ++seen_[what];
  if (config_.throw_every != 0 && count % config_.throw_every == 0) return true;
  if (config_.throw_first == 0 || count != 1) return false;
  // A file, because a process that the exception ends must not end at it for ever.
  const std::string mark = mark_ + "." + what;
  const int made = open(mark.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (made >= 0) close(made);
  return made >= 0;
}

std::shared_ptr<StageFaults> stage_faults(caf::actor_system& system,
                                          const config::FaultConfig& config,
                                          const std::filesystem::path& state,
                                          const std::string& stage) {
  const std::string name = stage.substr(0, stage.find('-'));
  if (!throws_in(config, name)) return nullptr;
  return std::make_shared<StageFaults>(system, config, (state / ("fault." + name)).string());
}

actors::aggregate::Aggregator::Probe token_fault(const config::FaultConfig& config,
                                                 const std::string& stage) {
  if (config.throw_token == 0 || !throws_in(config, stage)) return {};
  return [config](const messages::TokenEvent& event) { throw_over(event.token, config); };
}

std::function<void(const messages::ReplyChunk&)> chunk_fault(const config::FaultConfig& config) {
  if (config.throw_token == 0 || !throws_in(config, "aggregate.send")) return {};
  return [config](const messages::ReplyChunk& chunk) {
    for (const std::int32_t token : chunk.tokens) throw_over(token, config);
  };
}

}  // namespace troupe::apps
