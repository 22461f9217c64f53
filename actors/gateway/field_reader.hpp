// Reads the fields of a JSON object by name and type; the first fault found is kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "actors/gateway/json_text.hpp"
#include "actors/gateway/request_rules.hpp"

namespace troupe::actors::gateway {

// A field that is absent or null leaves its variable alone: SDKs send null for what was not set.
class FieldReader {
 public:
  explicit FieldReader(const Json& object) : object_(object) {}

  // nullptr when absent or null.
  const Json* find(const char* name) const;

  void read(const char* name, bool& value);
  void read(const char* name, std::string& value);
  void read(const char* name, float& value);

  // Whole numbers within [low, high]; 3.0 counts as 3, because some languages print it so. Both
  // bounds must fit `Integer`.
  template <class Integer>
  void read(const char* name, Integer& value, std::int64_t low, std::int64_t high) {
    if (const auto number = integer(name, low, high)) value = static_cast<Integer>(*number);
  }

  void fail(std::string param, std::string message);

  const std::optional<Fault>& fault() const { return fault_; }

 private:
  std::optional<std::int64_t> integer(const char* name, std::int64_t low, std::int64_t high);

  const Json& object_;
  std::optional<Fault> fault_;
};

// The whole number that `json` holds, or nullopt for other types and what does not fit an int64.
std::optional<std::int64_t> whole_number(const Json& json);

}  // namespace troupe::actors::gateway
