// The arithmetic of a model's linear layers, and where its packed weights are kept.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace troupe::model {

// kDefault: int8 weights a column and int8 activations a token, rotated and smoothed.
// kExact, kFp32: weights as the file states them, FP32 activations; one arithmetic for both so far.
enum class Precision { kDefault, kExact, kFp32 };

// Throws config::UserError naming the choices.
Precision parse_precision(std::string_view text);

struct WeightsOptions {
  Precision precision = Precision::kFp32;
  std::filesystem::path packed_file;                 // empty: packed weights stay in memory
  std::function<void(const std::string&)> progress;  // what a person waits for; may be empty
};

// Where the packed weights of a model file are kept: beside it. Empty for none.
std::filesystem::path packed_file_of(const std::filesystem::path& model_file);

}  // namespace troupe::model
