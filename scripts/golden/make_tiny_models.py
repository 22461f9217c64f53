#!/usr/bin/env python3
"""Makes tiny random models of every architecture and RoPE scaling, and their log-probabilities.

Usage: make_tiny_models.py OUT_DIR. Needs torch, transformers (5.x), gguf and numpy; takes seconds.

The models are transformers' own classes with random weights, run in FP32 after their matrices were
rounded to BF16; the GGUF files are written with the gguf package under the names, and with the
order of the rows of Q and K, of llama.cpp's converter. Each scaled model is checked to differ
from the same model without scaling.

Format of NAME.logprobs.bin, little-endian: 8 bytes "TRPTINY1"; u32 n positions; u32 v vocabulary;
i32[n] token ids; f32[n][v] natural log-probabilities of the next token.
"""

import copy
import pathlib
import struct
import sys

import gguf
import numpy
import torch
import transformers

VOCAB = 96
POSITIONS = 72
ORIGINAL = 32  # positions before stretching; the goldens run beyond
SHAPE = dict(
    vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=128,
    rms_norm_eps=1e-5)

FAMILIES = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
}

LINEAR = {"rope_type": "linear", "factor": 2.5}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": ORIGINAL}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": ORIGINAL}
YARN_TUNED = YARN | {"beta_fast": 8.0, "beta_slow": 0.1, "attention_factor": 1.3}
# transformers recomputes the base with the sequence's length: at the whole context, as here, it is
# the base of 0019-rope-scalings.md.
DYNAMIC = {"rope_type": "dynamic", "factor": POSITIONS / ORIGINAL}

# name: (family, settings, scaling)
MODELS = {
    "llama": ("llama", {}, None),
    "llama-bias-tied": ("llama", {"attention_bias": True, "tie_word_embeddings": True}, None),
    "llama-one-kv-head": ("llama", {"num_key_value_heads": 1, "head_dim": 8}, None),
    "llama-linear": ("llama", {}, LINEAR),
    "llama-llama3": ("llama", {"rope_theta": 500000.0}, LLAMA3),
    "llama-yarn": ("llama", {}, YARN_TUNED),
    "llama-dynamic": ("llama", {"max_position_embeddings": ORIGINAL}, DYNAMIC),
    "mistral": ("mistral", {"sliding_window": None}, None),
    "qwen2": ("qwen2", {}, None),
    "qwen2-tied": ("qwen2", {"tie_word_embeddings": True}, None),
    "qwen2-yarn": ("qwen2", {}, YARN),
    "qwen3": ("qwen3", {}, None),
    "qwen3-tied-yarn": ("qwen3", {"tie_word_embeddings": True, "num_key_value_heads": 4}, YARN),
}

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def config_of(family, settings, scaling):
    """Returns a transformers configuration."""
    settings = SHAPE | settings
    theta = settings.pop("rope_theta", 10000.0)
    rope = {"rope_theta": theta} | (scaling or {"rope_type": "default"})
    return FAMILIES[family][0](rope_parameters=rope, attn_implementation="eager", **settings)


def randomize(model, seed):
    """Gives every tensor values that make its part of the answer felt."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.named_parameters():
        noise = torch.randn(tensor.shape, generator=generator)
        if tensor.dim() == 2 and "embed" not in name:
            noise *= 1.4 * tensor.shape[1] ** -0.5
        elif name.endswith("norm.weight") or name.endswith("layernorm.weight"):
            noise = 1.0 + 0.3 * noise
        elif name.endswith("bias"):
            noise *= 0.7
        with torch.no_grad():
            tensor.copy_(noise.bfloat16().float() if tensor.dim() == 2 else noise)


def logprobs_of(model, tokens):
    """Returns float32 [positions, vocab]."""
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0]
    return torch.log_softmax(logits.double(), dim=-1).float().numpy()


def interleaved(tensor, heads):
    """Reorders rows from halves of a head to pairs of neighbours. tensor: [heads * dim, ...]."""
    rows = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return rows.swapaxes(1, 2).reshape(tensor.shape)


def gguf_name(name):
    """The file's name of a tensor of the model."""
    flat = {"model.embed_tokens.weight": "token_embd.weight", "lm_head.weight": "output.weight",
            "model.norm.weight": "output_norm.weight"}
    if name in flat:
        return flat[name]
    layer, rest = name.removeprefix("model.layers.").split(".", 1)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{NAMES[part]}.{kind}"


def write_scaling(writer, model, config, scaling):
    """Writes the rotary embedding's keys, and Llama 3's divisors as a tensor."""
    kind = scaling["rope_type"]
    rotary = model.model.rotary_emb
    if kind == "llama3":
        powers = torch.arange(0, config.head_dim, 2).double() / config.head_dim
        plain = config.rope_parameters["rope_theta"] ** -powers
        writer.add_tensor("rope_freqs.weight", (plain / rotary.inv_freq.double()).float().numpy())
        return
    writer.add_string(f"{writer.arch}.rope.scaling.type", kind)
    writer.add_rope_scaling_factor(scaling["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(ORIGINAL)
    if "attention_factor" in scaling:
        own = 0.1 * numpy.log(scaling["factor"]) + 1.0  # which GGUF readers multiply by
        writer.add_rope_scaling_attn_factors(scaling["attention_factor"] / own)
        writer.add_rope_scaling_yarn_beta_fast(scaling["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(scaling["beta_slow"])


def write_gguf(path, model, config, family, scaling):
    """Writes one model."""
    writer = gguf.GGUFWriter(path, "llama" if family == "mistral" else family)
    writer.add_name(path.stem)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if scaling:
        write_scaling(writer, model, config, scaling)
    for name, tensor in model.named_parameters():
        values = tensor.detach().numpy()
        if writer.arch == "llama" and (".q_proj." in name or ".k_proj." in name):
            heads = values.shape[0] // config.head_dim
            values = interleaved(values, heads)
        if values.ndim == 2:
            packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.BF16)
            writer.add_tensor(gguf_name(name), packed,
                              raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            writer.add_tensor(gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    """Writes all models and their goldens."""
    out_dir = pathlib.Path(sys.argv[1])
    for seed, (name, (family, settings, scaling)) in enumerate(MODELS.items()):
        config = config_of(family, settings, scaling)
        model = FAMILIES[family][1](config).eval()
        randomize(model, seed)
        tokens = numpy.random.default_rng(seed).integers(0, VOCAB, POSITIONS).tolist()
        # The file first: transformers changes the frequencies of dynamic scaling as it runs.
        write_gguf(out_dir / f"{name}.gguf", model, config, family, copy.deepcopy(scaling))
        expected = logprobs_of(model, tokens)
        if scaling:
            plain = FAMILIES[family][1](config_of(family, settings, None)).eval()
            plain.load_state_dict(model.state_dict())
            change = float(numpy.abs(logprobs_of(plain, tokens) - expected).mean())
            assert change > 0.05, f"{name}: scaling changes log-probabilities by only {change}"
        head = b"TRPTINY1" + struct.pack(f"<II{POSITIONS}i", POSITIONS, VOCAB, *tokens)
        (out_dir / f"{name}.logprobs.bin").write_bytes(head + expected.tobytes())
        spread = float(expected.max(axis=1).mean())
        print(f"{name}: mean log-probability of the most likely token {spread:.2f}")


if __name__ == "__main__":
    main()
