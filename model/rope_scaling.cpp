#include "model/rope_scaling.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "model/architecture.hpp"
#include "model/architecture_keys.hpp"
#include "model/gguf_cursor.hpp"

namespace troupe::model {
namespace {

constexpr const char* kDivisors = "rope_freqs.weight";

constexpr double kBaseMax = 1e12;
constexpr double kFactorMax = 1e4;        // a hundred times the largest of a published model
constexpr double kTurnsMax = 1e6;         // of a pair in a context
constexpr double kContextMax = 1U << 24;  // the largest context; see architecture.cpp
// Llama 3's formula gives 1 to its factor; rounding may leave a little less than 1.
constexpr float kDivisorMin = 0.5F;

RopeScalingType read_type(const ModelFile& file, const ArchitectureKeys& keys) {
  const auto name = file.find_string(keys.key("rope.scaling.type"));
  if (!name) {  // llama.cpp takes a factor without a type for a linear one, and 0 for none
    const auto states = [&](const char* key) {
      const double factor = file.find_float(keys.key(key)).value_or(0.0);
      return factor != 0.0 && factor != 1.0;
    };
    const bool linear = states("rope.scaling.factor") || states("rope.scale_linear");
    return linear ? RopeScalingType::kLinear : RopeScalingType::kNone;
  }
  if (*name == "none") return RopeScalingType::kNone;
  if (*name == "linear") return RopeScalingType::kLinear;
  if (*name == "yarn") return RopeScalingType::kYarn;
  if (*name == "dynamic") return RopeScalingType::kDynamic;
  keys.fail("rope.scaling.type",
            "is " + in_quotes(*name) +
                ", which is not supported: give a model with scaling none, linear, yarn or "
                "dynamic, or Llama 3's");
}

double read_factor(const ModelFile& file, const ArchitectureKeys& keys) {
  const bool is_new = file.find_float(keys.key("rope.scaling.factor")).has_value();
  const char* name = is_new ? "rope.scaling.factor" : "rope.scale_linear";
  const auto factor = static_cast<double>(keys.positive(name, kFactorMax, std::nullopt));
  if (factor < 1.0) keys.fail(name, "is below 1: convert the model again");
  return factor;
}

// Multipliers that only other architectures use, where they change more than the rotation.
void refuse_value(const ModelFile& file,
                  const ArchitectureKeys& keys,
                  const std::string& name,
                  double supported) {
  const double value = file.find_float(keys.key(name)).value_or(supported);
  if (value != supported)
    keys.fail(name,
              "is " + std::to_string(value) +
                  ", which is not supported: give a model without it, or with " +
                  std::to_string(supported));
}

// The factor of the rotation's length is YaRN's own (section 3.4) times what the file states.
void read_yarn(const ModelFile& file, const ArchitectureKeys& keys, Architecture& architecture) {
  RopeScaling& scaling = architecture.rope_scaling;
  if (architecture.rope_base <= 1.0F)
    keys.fail("rope.freq_base", "is not above 1, as YaRN needs it: convert the model again");
  refuse_value(file, keys, "rope.scaling.yarn_log_multiplier", 0.0);
  refuse_value(file, keys, "rope.scaling.yarn_ext_factor", 1.0);
  refuse_value(file, keys, "rope.scaling.yarn_attn_factor", 1.0);
  scaling.beta_fast =
      static_cast<double>(keys.positive("rope.scaling.yarn_beta_fast", kTurnsMax, 32.0));
  scaling.beta_slow =
      static_cast<double>(keys.positive("rope.scaling.yarn_beta_slow", kTurnsMax, 1.0));
  if (scaling.beta_fast < scaling.beta_slow)
    keys.fail("rope.scaling.yarn_beta_fast", "is below yarn_beta_slow: convert the model again");
  scaling.attention_factor *= 0.1 * std::log(scaling.factor) + 1.0;
}

// What the context before stretching becomes. For dynamic scaling that counts where a file states
// no longer context, as configurations of transformers do; for YaRN always, because those of Qwen
// state what the model was trained for.
void lengthen_context(const ArchitectureKeys& keys, Architecture& architecture) {
  const RopeScaling& scaling = architecture.rope_scaling;
  const bool is_dynamic = scaling.type == RopeScalingType::kDynamic;
  if (is_dynamic && architecture.context_max > scaling.original_context) return;
  const double stretched = scaling.original_context * scaling.factor;
  if (stretched > kContextMax)
    keys.fail("rope.scaling.factor",
              "stretches the context to more than " +
                  std::to_string(static_cast<std::int32_t>(kContextMax)) +
                  " tokens: convert the model again");
  architecture.context_max =
      std::max(architecture.context_max, static_cast<std::int32_t>(stretched));
}

void read_scaling(const ModelFile& file, const ArchitectureKeys& keys, Architecture& architecture) {
  RopeScaling& scaling = architecture.rope_scaling;
  scaling.type = read_type(file, keys);
  if (scaling.type == RopeScalingType::kNone) return;
  scaling.factor = read_factor(file, keys);
  scaling.original_context = keys.count_or("rope.scaling.original_context_length",
                                           static_cast<std::uint64_t>(kContextMax),
                                           architecture.context_max);
  scaling.attention_factor =
      static_cast<double>(keys.positive("rope.scaling.attn_factor", kFactorMax, 1.0));
  if (scaling.type == RopeScalingType::kYarn) read_yarn(file, keys, architecture);
  const bool original =
      file.find_uint(keys.key("rope.scaling.original_context_length")).has_value();
  if (scaling.type == RopeScalingType::kDynamic ||
      (scaling.type == RopeScalingType::kYarn && original))
    lengthen_context(keys, architecture);
}

// Llama 3's scaling, which converters compute and store as one divisor for each frequency.
void read_divisors(const ModelFile& file,
                   const ArchitectureKeys& keys,
                   Architecture& architecture) {
  if (file.find_tensor(kDivisors) == nullptr) return;
  RopeScaling& scaling = architecture.rope_scaling;
  if (scaling.type == RopeScalingType::kYarn || scaling.type == RopeScalingType::kDynamic)
    keys.fail("rope.scaling.type",
              std::string("and tensor '") + kDivisors +
                  "' both scale RoPE: give a model with one of them");
  const TensorInfo& tensor = file.tensor(kDivisors);
  const auto count = static_cast<std::size_t>(architecture.head_dim / 2);
  const std::string where = file.name() + ": tensor '" + kDivisors + "' ";
  if (tensor.type != kernels::TensorType::kF32 || tensor.data.size() != count * sizeof(float))
    throw config::UserError(where + "is not " + std::to_string(count) +
                            " values of F32: convert the model again");
  scaling.divisors.resize(count);
  std::memcpy(scaling.divisors.data(), tensor.data.data(), tensor.data.size());
  const auto fits = [](float value) {
    return value >= kDivisorMin && value <= static_cast<float>(kFactorMax);  // false for NaN
  };
  if (!std::ranges::all_of(scaling.divisors, fits))
    throw config::UserError(where + "has a value that no scaling gives: convert the model again");
}

}  // namespace

void read_rope(const ModelFile& file, const ArchitectureKeys& keys, Architecture& architecture) {
  architecture.rope_base = keys.positive("rope.freq_base", kBaseMax, 10000.0);
  read_scaling(file, keys, architecture);
  read_divisors(file, keys, architecture);
}

}  // namespace troupe::model
