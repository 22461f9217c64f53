// Typed access to the fields of a JSON file in a Hugging Face folder.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "config/user_error.hpp"
#include "model/json_tree.hpp"

namespace troupe::model {

// Views the tree and its file's name, which must outlive it. Every failure is a config::UserError
// of one line.
class HfFields {
 public:
  HfFields(const JsonTree& tree, const std::string& name) : tree_(tree), name_(name) {}

  [[noreturn]] void fail(const std::string& field, const std::string& problem) const {
    throw config::UserError(name_ + ": " + field + " " + problem);
  }

  bool has(const std::string& field) const { return tree_.find(field) != nullptr; }

  std::uint64_t count(const std::string& field) const {
    const JsonTree* value = tree_.find(field);
    if (value == nullptr) fail(field, "is missing: fetch the model again");
    if (!value->count()) fail(field, "is not a whole number: fetch the model again");
    return *value->count();
  }

  std::uint64_t count_or(const std::string& field, std::uint64_t absent) const {
    return has(field) ? count(field) : absent;
  }

  double number_or(const std::string& field, double absent) const {
    const JsonTree* value = tree_.find(field);
    if (value == nullptr) return absent;
    if (!value->number() || !std::isfinite(*value->number()))
      fail(field, "is not a number: fetch the model again");
    return *value->number();
  }

  double positive(const std::string& field) const {
    const double value = number_or(field, 0.0);
    if (value <= 0.0) fail(field, "is not a number above 0: fetch the model again");
    return value;
  }

  bool flag_or(const std::string& field, bool absent) const {
    const JsonTree* value = tree_.find(field);
    if (value == nullptr) return absent;
    if (!value->flag()) fail(field, "is neither true nor false: fetch the model again");
    return *value->flag();
  }

  std::string text_or(const std::string& field, const std::string& absent) const {
    const JsonTree* value = tree_.find(field);
    if (value == nullptr) return absent;
    if (value->text() == nullptr) fail(field, "is not a text: fetch the model again");
    return *value->text();
  }

 private:
  const JsonTree& tree_;
  const std::string& name_;
};

}  // namespace troupe::model
