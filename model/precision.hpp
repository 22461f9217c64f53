// The arithmetic of a model's linear layers, and where its packed weights are kept.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace troupe::model {

// kDefault: int8 weights a column and int8 activations a token, rotated and smoothed.
// kExact, kFp32: weights as the file states them, FP32 activations; one arithmetic for both so far.
// kQ4: weights of 4 (or 5, or 8) bits on the file's own grid, int8 activations in groups of 32.
enum class Precision { kDefault, kQ4, kExact, kFp32 };

// Throws config::UserError naming the choices.
Precision parse_precision(std::string_view text);

struct WeightsOptions {
  Precision precision = Precision::kFp32;
  std::filesystem::path packed_file;                 // empty: packed weights stay in memory
  std::function<void(const std::string&)> progress;  // what a person waits for; may be empty
};

// The name that a user gives it.
std::string_view name_of(Precision precision);

// Where the packed weights of a model file are kept: beside it. Empty where nothing is packed.
std::filesystem::path packed_file_of(const std::filesystem::path& model_file, Precision precision);

}  // namespace troupe::model
