// The flags that say how an answer is drawn and when it ends: generate and chat.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "messages/sampling.hpp"

namespace troupe::apps {

class SamplingFlags {
 public:
  SamplingFlags(float temperature, std::uint32_t max_tokens);  // what holds when no flag is given

  // The object must stay where it is until the command line is parsed.
  void add_to(CLI::App& command);

  // With a seed: the one given, or one drawn now. Throws config::UserError naming the flag.
  messages::Sampling sampling() const;

  // Empty: none was given, and `sampling` draws another each time.
  std::optional<std::uint64_t> seed() const { return seed_; }

 private:
  messages::Sampling sampling_;
  std::optional<std::uint64_t> seed_;
};

}  // namespace troupe::apps
