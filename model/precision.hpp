// The arithmetic of a model: linear layers, keys and values; and where packed weights are kept.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "kernels/kv_pool.hpp"

namespace troupe::model {

// kDefault: int8 weights a column and int8 activations a token, rotated and smoothed.
// kQ4: weights of 4 (or 5, or 8) bits on the file's own grid, int8 activations in groups of 32.
// kExact: weights as the file states them and activations, both rounded to BF16, where the device
// prefers that; else as kFp32. kFp32: weights as the file states them, FP32 activations, keys and
// values.
//
//   precision   layers (model/)                    ops, as profiles name them
//   kDefault    PackedLayers in packed_layers.cpp  quantize, int8_linear
//   kQ4         PlainLayers in plain_layers.cpp    rms_norm, linear_4_bits (_5_, _8_), silu_mul
//   kExact      Bf16Layers in bf16_layers.cpp      pack_bf16, bf16_linear; or those of kFp32
//   kFp32       PlainLayers in plain_layers.cpp    rms_norm, linear, silu_mul
enum class Precision { kDefault, kQ4, kExact, kFp32 };

// Throws config::UserError naming the choices.
Precision parse_precision(std::string_view text);

// How keys and values are kept: `bf16` or `int8`; FP32 with Precision::kFp32, the mode that others
// are compared with, whatever the text says. Throws config::UserError naming the choices.
kernels::KvType parse_kv_type(std::string_view text, Precision precision);

// "f32", "bf16", "int8".
std::string_view name_of(kernels::KvType type);

struct WeightsOptions {
  Precision precision = Precision::kFp32;
  kernels::KvType kv = kernels::KvType::kF32;        // of the caches that the model will use
  std::filesystem::path packed_file;                 // empty: packed weights stay in memory
  std::filesystem::path packed_memory;               // that processes share (packed_storage.hpp)
  std::function<void(const std::string&)> progress;  // what a person waits for; may be empty
  std::function<void(const std::string&)> notice;    // what a person should know; may be empty
  // Before and after waiting for another process that packs the same weights; may be empty.
  std::function<void(bool begins)> on_waiting;
  std::function<void()> on_part;  // of the files that were read or written (packed_storage.hpp)
};

// The name that a user gives it.
std::string_view name_of(Precision precision);

// Where the packed weights of a model file are kept: beside it. Empty where nothing is packed.
std::filesystem::path packed_file_of(const std::filesystem::path& model_file, Precision precision);

}  // namespace troupe::model
