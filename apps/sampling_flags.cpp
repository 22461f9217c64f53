#include "apps/sampling_flags.hpp"

#include <algorithm>
#include <random>
#include <string>

#include "actors/gateway/request_rules.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

// Field names of the API, as in "top_k must be at least 1", in the spelling of the flags.
std::string in_flag_words(const actors::gateway::Fault& fault) {
  std::string flag = fault.param;
  std::ranges::replace(flag, '_', '-');
  const bool leads = fault.message.starts_with(fault.param);
  return "--" + flag + (leads ? fault.message.substr(fault.param.size()) : ": " + fault.message);
}

}  // namespace

SamplingFlags::SamplingFlags(float temperature, std::uint32_t max_tokens) {
  sampling_.temperature = temperature;
  sampling_.max_tokens = max_tokens;
}

void SamplingFlags::add_to(CLI::App& command) {
  command
      .add_option("--max-tokens", sampling_.max_tokens, "longest answer; 0: what the context holds")
      ->capture_default_str();
  command.add_option("--min-tokens", sampling_.min_tokens, "no end before this many tokens");
  command.add_option("--temperature", sampling_.temperature, "0: always the most likely token")
      ->capture_default_str();
  command.add_option("--top-k", sampling_.top_k, "draw from the K most likely tokens; 0: off");
  command.add_option("--top-p", sampling_.top_p, "draw from this share of the probability; 1: off");
  command.add_option("--min-p", sampling_.min_p, "least probability, relative to the best; 0: off");
  command.add_option("--repetition-penalty", sampling_.repetition_penalty, "1: off");
  command.add_option("--frequency-penalty", sampling_.frequency_penalty, "0: off");
  command.add_option("--presence-penalty", sampling_.presence_penalty, "0: off");
  command.add_option(
      "--seed", seed_, "the same seed gives the same answer; default: another each time");
  command.add_option("--stop", sampling_.stop, "text that ends the answer; may be repeated")
      ->allow_extra_args(false);
  command.add_flag("--ignore-eos", sampling_.ignore_eos, "go on after the model's end token");
}

messages::Sampling SamplingFlags::sampling() const {
  if (const auto fault = actors::gateway::find_fault(sampling_)) {
    throw config::UserError(in_flag_words(*fault));
  }
  messages::Sampling sampling = sampling_;
  std::random_device entropy;
  sampling.seed = seed_.value_or((std::uint64_t{entropy()} << 32U) | entropy());
  return sampling;
}

}  // namespace troupe::apps
