#include "model/hf_config.hpp"

#include <cmath>
#include <numbers>
#include <optional>
#include <utility>

#include "model/gguf_cursor.hpp"
#include "model/hf_fields.hpp"

namespace troupe::model {
namespace {

// The bounds of architecture.cpp are what counts; these only keep what is computed here finite.
constexpr std::uint64_t kHeadDimMax = 1U << 16;
constexpr double kFactorMax = 1e6;  // real ones stretch a context up to a hundred times

struct Family {
  std::string_view model_type;    // of config.json
  std::string_view architecture;  // of GGUF
  bool attention_bias;            // always, as a part of the family
};

constexpr Family kFamilies[] = {{"llama", "llama", false},
                                {"mistral", "llama", false},
                                {"qwen2", "qwen2", true},
                                {"qwen3", "qwen3", false}};

const Family& family_of(const HfFields& fields) {
  const std::string type = fields.text_or("model_type", "");
  for (const Family& family : kFamilies) {
    if (family.model_type == type) return family;
  }
  fields.fail("model_type",
              "is " + in_quotes(type) +
                  ", which is not supported: give a model of type llama, mistral, qwen2 or qwen3");
}

void refuse_what_is_not_there(const HfFields& fields) {
  const std::string activation = fields.text_or("hidden_act", "silu");
  if (activation != "silu")
    fields.fail("hidden_act",
                "is " + in_quotes(activation) + ", which is not supported: give a model with silu");
  if (fields.has("quantization_config"))
    fields.fail("quantization_config",
                "says that the weights are quantised: give the model in BF16, F16 or F32, or a "
                "GGUF file of it");
}

// Windows that reach as far as the context are none: read_architecture compares the two.
std::optional<std::uint64_t> sliding_window(const HfFields& fields, const Family& family) {
  const bool is_mistral = family.model_type == "mistral";
  const bool used = is_mistral || fields.flag_or("use_sliding_window", false);
  if (!used || !fields.has("sliding_window") || family.model_type == "llama") return std::nullopt;
  return fields.count("sliding_window");
}

// The rotary embedding of one config: `prefix` is the family's, `parameters` the object that holds
// the scaling, and the base too where transformers 5 wrote it.
class Rope {
 public:
  Rope(const JsonTree& config, const std::string& name, std::uint64_t head_dim, HfConfig& to)
      : config_(config, name),
        parameters_(parameters_of(config), name),
        head_dim_(head_dim),
        to_(to) {}

  void read() {
    const double absent = config_.number_or("rope_theta", 10000.0);
    base_ = parameters_.number_or("rope_theta", absent);
    set("rope.freq_base", base_);
    const double part = parameters_.number_or("partial_rotary_factor",
                                              config_.number_or("partial_rotary_factor", 1.0));
    if (part != 1.0)
      config_.fail("partial_rotary_factor",
                   "is not 1: only models that turn all of a head are "
                   "supported");
    const std::string type =
        parameters_.text_or("rope_type", parameters_.text_or("type", "default"));
    if (type == "default") return;
    factor_ = parameters_.positive("factor");
    if (factor_ > kFactorMax) parameters_.fail("rope factor", "is no stretch of a real model");
    if (type == "llama3") return llama3();
    if (type != "linear" && type != "dynamic" && type != "yarn") {
      parameters_.fail("rope_type",
                       "is " + in_quotes(type) +
                           ", which is not supported: give a model with linear, dynamic, yarn or "
                           "llama3 scaling, or none");
    }
    set("rope.scaling.type", type);
    set("rope.scaling.factor", factor_);
    if (type != "linear") set("rope.scaling.original_context_length", original_context());
    if (type == "yarn") yarn();
  }

 private:
  // Where transformers 5 (rope_parameters) and 4 (rope_scaling) keep them.
  static const JsonTree& parameters_of(const JsonTree& config) {
    static const JsonTree kNone;
    for (const char* key : {"rope_parameters", "rope_scaling"}) {
      if (const JsonTree* found = config.find(key)) return *found;
    }
    return kNone;
  }

  template <typename T>
  void set(const std::string& key, T value) {
    to_.metadata[to_.family + "." + key] = std::move(value);
  }

  std::uint64_t original_context() const {
    return parameters_.count_or("original_max_position_embeddings",
                                config_.count_or("original_max_position_embeddings",
                                                 config_.count("max_position_embeddings")));
  }

  // GGUF multiplies what YaRN's formula gives by attn_factor, where transformers' attention_factor
  // takes its place.
  void yarn() {
    if (!parameters_.flag_or("truncate", true))
      parameters_.fail("rope truncate", "is false, which is not supported: give a GGUF file");
    if (parameters_.has("mscale") || parameters_.has("mscale_all_dim"))
      parameters_.fail("rope mscale", "is not supported: give a GGUF file");
    if (parameters_.has("attention_factor"))
      set("rope.scaling.attn_factor",
          parameters_.positive("attention_factor") / (0.1 * std::log(factor_) + 1.0));
    set("rope.scaling.yarn_beta_fast", parameters_.number_or("beta_fast", 32.0));
    set("rope.scaling.yarn_beta_slow", parameters_.number_or("beta_slow", 1.0));
  }

  // Long waves are stretched by the factor, short ones not at all, those between in proportion.
  // Source: transformers/modeling_rope_utils.py, _compute_llama3_parameters
  void llama3() {
    const double low = parameters_.positive("low_freq_factor");
    const double high = parameters_.positive("high_freq_factor");
    if (high <= low)
      parameters_.fail("high_freq_factor", "is not above low_freq_factor: fetch the model again");
    const auto context = static_cast<double>(original_context());
    for (std::uint64_t i = 0; i < head_dim_; i += 2) {
      const double wave = 2.0 * std::numbers::pi *
                          std::pow(base_, static_cast<double>(i) / static_cast<double>(head_dim_));
      double divisor = 1.0;
      if (wave > context / low) {
        divisor = factor_;
      } else if (wave >= context / high) {
        const double smooth = (context / wave - low) / (high - low);
        divisor = 1.0 / ((1.0 - smooth) / factor_ + smooth);
      }
      to_.rope_factors.push_back(static_cast<float>(divisor));
    }
  }

  HfFields config_;
  HfFields parameters_;
  std::uint64_t head_dim_;
  HfConfig& to_;
  double base_ = 0.0;
  double factor_ = 1.0;
};

}  // namespace

HfConfig read_hf_config(const JsonTree& config, const std::string& name) {
  const HfFields fields(config, name);
  const Family& family = family_of(fields);
  refuse_what_is_not_there(fields);
  HfConfig result;
  result.family = family.architecture;
  result.layers = fields.count("num_hidden_layers");
  result.tied = fields.flag_or("tie_word_embeddings", false);
  // Of these families Llama and Qwen3 have the flag, for all four matrices.
  const bool has_flag = family.model_type == "llama" || family.model_type == "qwen3";
  result.output_bias = has_flag && fields.flag_or("attention_bias", false);
  result.attention_bias = family.attention_bias || result.output_bias;
  const std::uint64_t hidden = fields.count("hidden_size");
  const std::uint64_t heads = fields.count("num_attention_heads");
  if (heads == 0 || heads > hidden)
    fields.fail("num_attention_heads", "is not 1 to hidden_size: fetch the model again");
  const std::uint64_t head_dim = fields.count_or("head_dim", hidden / heads);
  if (head_dim == 0 || head_dim > kHeadDimMax)
    fields.fail("head_dim", "is no width of a head: fetch the model again");

  const auto set = [&](const std::string& key, std::uint64_t value) {
    result.metadata[result.family + "." + key] = value;
  };
  result.metadata["general.architecture"] = result.family;
  // The rows of Q and K lie as they were trained: pairs are a head's halves, also in llama models.
  result.metadata["troupe.rope.halves"] = true;
  set("block_count", result.layers);
  set("embedding_length", hidden);
  set("feed_forward_length", fields.count("intermediate_size"));
  set("context_length", fields.count("max_position_embeddings"));
  set("attention.head_count", heads);
  set("attention.head_count_kv", fields.count_or("num_key_value_heads", heads));
  set("attention.key_length", head_dim);
  set("attention.value_length", head_dim);
  if (const auto window = sliding_window(fields, family)) set("attention.sliding_window", *window);
  result.metadata[result.family + ".attention.layer_norm_rms_epsilon"] =
      fields.number_or("rms_norm_eps", 1e-6);
  Rope(config, name, head_dim, result).read();
  return result;
}

std::vector<std::uint64_t> read_hf_end_tokens(const JsonTree& config, const std::string& name) {
  constexpr std::size_t kEndTokensMax = 64;  // real models have up to five
  const JsonTree* ends = config.find("eos_token_id");
  if (ends == nullptr) return {};
  std::vector<std::uint64_t> ids;
  if (const JsonTree::Array* list = ends->array();
      list != nullptr && list->size() <= kEndTokensMax) {
    for (const JsonTree& value : *list) {
      if (const auto id = value.count()) ids.push_back(*id);
    }
    if (ids.size() == list->size()) return ids;
  }
  if (const auto id = ends->count()) return {*id};
  throw config::UserError(name + ": eos_token_id is neither a token's id nor a list of at most " +
                          std::to_string(kEndTokensMax) + ": fetch the model again");
}

}  // namespace troupe::model
