"""Writes a GGUF file's model as the Hugging Face folder that it was made from: BF16 weights in two
safetensors files, the tokenizer, and the configuration under its published names.

Reads by the gguf package, so by nothing of ours. Which files and keys: those of the models' own
repositories (HuggingFaceTB/SmolLM2-135M-Instruct, Qwen/Qwen2.5-Coder-0.5B-Instruct).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}

QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
CLASSES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}
# GGUF's tokenizer.ggml.pre → how tokenizer.json says it.
PRE_TOKENIZERS = {
    "smollm": [
        {"type": "Digits", "individual_digits": True},
        {**BYTE_LEVEL, "use_regex": True},
    ],
    "qwen2": [
        {
            "type": "Split",
            "pattern": {"Regex": QWEN2_WORDS},
            "behavior": "Isolated",
            "invert": False,
        },
        {**BYTE_LEVEL, "use_regex": False},
    ],
}
CONTROL, USER_DEFINED = 3, 4  # tokenizer.ggml.token_type


class Source:
    def __init__(self, path: Path) -> None:
        self.reader = GGUFReader(path)
        self.family = self.value("general.architecture")

    def value(self, key: str, absent: Any = None) -> Any:
        field = self.reader.fields.get(key)
        return absent if field is None else field.contents()

    def size(self, key: str, absent: Any = None) -> Any:
        """A value of the architecture."""
        return self.value(f"{self.family}.{key}", absent)


def write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def published_name(name: str) -> str:
    stem, kind = name.rsplit(".", 1)
    if not stem.startswith("blk."):
        return f"{NAMES[stem]}.{kind}"
    _, layer, part = stem.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.{kind}"


def in_halves(weights: np.ndarray, heads: int) -> np.ndarray:
    """GGUF files of `llama` turn neighbours in queries and keys, folders turn halves of a head."""
    pairs = weights.reshape(heads, -1, 2, *weights.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(weights.shape)


def as_bf16(weights: np.ndarray) -> bytes:
    """Rounded to nearest, ties to even; the weights of a model are finite."""
    bits = weights.astype(np.float32, copy=False).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()


def write_weights(source: Source, folder: Path) -> None:
    """Two files that change in the middle, and their index."""
    heads = source.size("attention.head_count")
    turned = {"attn_q": heads, "attn_k": source.size("attention.head_count_kv", heads)}
    tensors = source.reader.tensors
    shards = [tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]]
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        end = 0
        for tensor in shard:
            shape = [int(size) for size in reversed(tensor.shape)]
            begin, end = end, end + 2 * int(tensor.n_elements)
            name = published_name(tensor.name)
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
            weight_map[name] = file
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)  # as the safetensors package does
        with open(folder / file, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for tensor in shard:
                weights = dequantize(tensor.data, tensor.tensor_type)
                part = tensor.name.split(".")[-2]
                if source.family == "llama" and part in turned:
                    weights = in_halves(weights, turned[part])
                out.write(as_bf16(weights))
    index = {"metadata": {}, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)


def write_config(source: Source, folder: Path) -> None:
    names = [tensor.name for tensor in source.reader.tensors]
    heads = source.size("attention.head_count")
    config = {
        "architectures": [CLASSES[source.family]],
        "model_type": source.family,
        "hidden_act": "silu",
        "hidden_size": source.size("embedding_length"),
        "intermediate_size": source.size("feed_forward_length"),
        "num_hidden_layers": source.size("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": source.size("attention.head_count_kv", heads),
        "max_position_embeddings": source.size("context_length"),
        "rms_norm_eps": source.size("attention.layer_norm_rms_epsilon"),
        "rope_theta": source.size("rope.freq_base", 10000.0),
        "tie_word_embeddings": "output.weight" not in names,
        "torch_dtype": "bfloat16",
        "vocab_size": len(source.value("tokenizer.ggml.tokens")),
        "bos_token_id": source.value("tokenizer.ggml.bos_token_id"),
        "eos_token_id": source.value("tokenizer.ggml.eos_token_id"),
    }
    write_json(folder / "config.json", config)


def added_token(token: int, content: str, kind: int) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": token, "content": content, **flags, "special": kind == CONTROL}


def write_tokenizer(source: Source, folder: Path) -> None:
    tokens = source.value("tokenizer.ggml.tokens")
    kinds = source.value("tokenizer.ggml.token_type")
    kind_of_words = source.value("tokenizer.ggml.pre")
    added = [
        added_token(token, content, kind)
        for token, (content, kind) in enumerate(zip(tokens, kinds, strict=True))
        if kind in (CONTROL, USER_DEFINED)
    ]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "NFC"} if kind_of_words == "qwen2" else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": PRE_TOKENIZERS[kind_of_words]},
        "post_processor": None,
        "decoder": {**BYTE_LEVEL, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {content: token for token, content in enumerate(tokens)},
            "merges": source.value("tokenizer.ggml.merges"),
        },
    }
    write_json(folder / "tokenizer.json", tokenizer)
    settings = {
        "tokenizer_class": {"smollm": "GPT2Tokenizer", "qwen2": "Qwen2Tokenizer"}[kind_of_words],
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": tokens[source.value("tokenizer.ggml.bos_token_id")],
        "eos_token": tokens[source.value("tokenizer.ggml.eos_token_id")],
        "chat_template": source.value("tokenizer.chat_template"),
    }
    write_json(folder / "tokenizer_config.json", settings)


def write_folder(path: Path, folder: Path) -> Path:
    """The folder, which must not be there yet; takes twice the weights' parameters in bytes."""
    source = Source(path)
    folder.mkdir()
    write_config(source, folder)
    write_tokenizer(source, folder)
    write_weights(source, folder)
    return folder
