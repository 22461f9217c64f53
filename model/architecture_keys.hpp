// The metadata keys of a model's architecture, each read with its range.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "config/user_error.hpp"
#include "model/model_file.hpp"

namespace troupe::model {

// Of one file; names are without the architecture that every key begins with.
class ArchitectureKeys {
 public:
  ArchitectureKeys(const ModelFile& file, std::string prefix)
      : file_(file), prefix_(std::move(prefix)) {}

  std::string key(const std::string& name) const { return prefix_ + "." + name; }

  [[noreturn]] void fail(const std::string& name, const std::string& problem) const {
    throw config::UserError(file_.name() + ": metadata '" + key(name) + "' " + problem);
  }

  std::int32_t count(const std::string& name, std::uint64_t max) const {
    return in_range(name, file_.require_uint(key(name)), max);
  }

  std::int32_t count_or(const std::string& name, std::uint64_t max, std::int32_t absent) const {
    const std::optional<std::uint64_t> found = file_.find_uint(key(name));
    return found ? in_range(name, *found, max) : absent;
  }

  // Must be above zero and at most `max`.
  float positive(const std::string& name, double max, std::optional<double> absent) const {
    const std::optional<double> found = file_.find_float(key(name));
    const double value = found ? *found : absent ? *absent : file_.require_float(key(name));
    if (!std::isfinite(value) || value <= 0.0 || value > max) {
      fail(name,
           "is " + std::to_string(value) + ", not above 0 and at most " + std::to_string(max) +
               ": convert the model again");
    }
    return static_cast<float>(value);
  }

  // Refuses a feature that the forward pass does not have.
  void refuse_above(const std::string& name,
                    std::uint64_t max,
                    const std::string& supported) const {
    const std::uint64_t value = file_.find_uint(key(name)).value_or(0);
    if (value > max) {
      fail(name, "is " + std::to_string(value) + ", which is not supported: " + supported);
    }
  }

 private:
  std::int32_t in_range(const std::string& name, std::uint64_t value, std::uint64_t max) const {
    if (value == 0 || value > max) {
      fail(name,
           "is " + std::to_string(value) + ", not 1 to " + std::to_string(max) +
               ": convert the model again");
    }
    return static_cast<std::int32_t>(value);
  }

  const ModelFile& file_;
  std::string prefix_;
};

}  // namespace troupe::model
