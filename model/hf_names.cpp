#include "model/hf_names.hpp"

#include <charconv>
#include <system_error>

namespace troupe::model {
namespace {

struct Pair {
  std::string_view theirs;
  std::string_view gguf;
};

constexpr Pair kWhole[] = {{"model.embed_tokens.weight", "token_embd.weight"},
                           {"model.norm.weight", "output_norm.weight"},
                           {"lm_head.weight", "output.weight"}};

// After "model.layers.N.".
constexpr Pair kOfLayer[] = {{"input_layernorm.weight", "attn_norm.weight"},
                             {"self_attn.q_proj.weight", "attn_q.weight"},
                             {"self_attn.k_proj.weight", "attn_k.weight"},
                             {"self_attn.v_proj.weight", "attn_v.weight"},
                             {"self_attn.o_proj.weight", "attn_output.weight"},
                             {"self_attn.q_proj.bias", "attn_q.bias"},
                             {"self_attn.k_proj.bias", "attn_k.bias"},
                             {"self_attn.v_proj.bias", "attn_v.bias"},
                             {"self_attn.o_proj.bias", "attn_output.bias"},
                             {"self_attn.q_norm.weight", "attn_q_norm.weight"},
                             {"self_attn.k_norm.weight", "attn_k_norm.weight"},
                             {"post_attention_layernorm.weight", "ffn_norm.weight"},
                             {"mlp.gate_proj.weight", "ffn_gate.weight"},
                             {"mlp.up_proj.weight", "ffn_up.weight"},
                             {"mlp.down_proj.weight", "ffn_down.weight"},
                             // Frequencies that older releases saved beside the weights.
                             {"self_attn.rotary_emb.inv_freq", ""}};

}  // namespace

std::optional<std::string> gguf_tensor_name(std::string_view name, std::uint64_t layers) {
  for (const Pair& pair : kWhole) {
    if (pair.theirs == name) return std::string(pair.gguf);
  }
  constexpr std::string_view kPrefix = "model.layers.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  std::uint64_t layer = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
  const auto digits = static_cast<std::size_t>(end - name.data());
  // One spelling a layer: "01" would be a second tensor of the same name.
  if (error != std::errc() || layer >= layers || std::to_string(layer).size() != digits ||
      digits == name.size() || name[digits] != '.') {
    return std::nullopt;
  }
  name.remove_prefix(digits + 1);
  for (const Pair& pair : kOfLayer) {
    if (pair.theirs != name) continue;
    if (pair.gguf.empty()) return std::string();
    return "blk." + std::to_string(layer) + "." + std::string(pair.gguf);
  }
  return std::nullopt;
}

}  // namespace troupe::model
