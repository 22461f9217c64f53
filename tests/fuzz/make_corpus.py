#!/usr/bin/env python3
"""Writes the seeds of tests/fuzz/corpus: one small valid input for each thing a reader knows.
Usage: tests/fuzz/make_corpus.py   (needs python3-msgpack)

Files that fuzzing added stay as they are: their names do not begin with seed-."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import msgpack

CORPUS = Path(__file__).resolve().parent / "corpus"

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
# Tensor type → (number in the format, values of a block, bytes of a block).
TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q8_0": (8, 32, 34), "Q4_1": (3, 32, 20)}


def write(target: str, name: str, content: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(content)


def text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def value_of(value: object) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return BOOL, struct.pack("<B", value)
    if isinstance(value, int):
        return UINT32, struct.pack("<I", value)
    if isinstance(value, float):
        return FLOAT32, struct.pack("<f", value)
    if isinstance(value, str):
        return STRING, text(value)
    if value and isinstance(value[0], float):
        kind, items = FLOAT32, struct.pack(f"<{len(value)}f", *value)
    elif value and isinstance(value[0], int):
        kind, items = INT32, struct.pack(f"<{len(value)}i", *value)
    else:
        kind, items = STRING, b"".join(text(v) for v in value)
    return ARRAY, struct.pack("<IQ", kind, len(value)) + items


def gguf(metadata: dict[str, object], tensors: dict[str, tuple[str, list[int]]]) -> bytes:
    """github.com/ggml-org/ggml/blob/master/docs/gguf.md"""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        kind, data = value_of(value)
        head += text(key) + struct.pack("<I", kind) + data
    body = b""
    for name, (kind, shape) in tensors.items():
        number, values, block = TYPES[kind]
        body += bytes(-len(body) % 32)
        head += text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += struct.pack("<IQ", number, len(body))
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        body += bytes(count // values * block)
    return head + bytes(-len(head) % 32) + body


def model(family: str) -> dict[str, object]:
    return {
        "general.architecture": family,
        f"{family}.block_count": 1,
        f"{family}.embedding_length": 32,
        f"{family}.attention.head_count": 2,
        f"{family}.attention.head_count_kv": 1,
        f"{family}.feed_forward_length": 32,
        f"{family}.context_length": 64,
        f"{family}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{family}.rope.freq_base": 10000.0,
    }


def tokenizer(pretokenizer: str) -> dict[str, object]:
    tokens = ["H", "i", "Hi", "\u0120", "<s>", "</s>", "\u010a", "1"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pretokenizer,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1, 1, 1, 1, 3, 3, 1, 1],
        "tokenizer.ggml.merges": ["H i"],
        "tokenizer.ggml.bos_token_id": 4,
        "tokenizer.ggml.eos_token_id": 5,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}",
    }


def sentencepiece(kind: str) -> dict[str, object]:
    tokens = ["<unk>", "<s>", "</s>", "<0x0A>", "<0x31>", "\u2581", "H", "i", "Hi", "\u2581Hi"]
    return {
        "tokenizer.ggml.model": kind,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [2, 3, 3, 6, 6, 1, 1, 1, 1, 1],
        "tokenizer.ggml.scores": [-float(i) for i in range(len(tokens))],
        "tokenizer.ggml.add_space_prefix": True,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }


def scaled(kind: str) -> dict[str, object]:
    return {
        "llama.rope.scaling.type": kind,
        "llama.rope.scaling.factor": 4.0,
        "llama.rope.scaling.original_context_length": 16,
        "llama.rope.scaling.attn_factor": 1.0,
        "llama.rope.scaling.yarn_beta_fast": 32.0,
        "llama.rope.scaling.yarn_beta_slow": 1.0,
    }


def tensors(biases: bool) -> dict[str, tuple[str, list[int]]]:
    found = {"token_embd.weight": ("Q8_0", [32, 8]), "output_norm.weight": ("F32", [32])}
    for name, kind, shape in [
        ("attn_norm.weight", "F32", [32]),
        ("attn_q.weight", "Q4_1", [32, 32]),
        ("attn_k.weight", "F16", [32, 16]),
        ("attn_v.weight", "Q8_0", [32, 16]),
        ("attn_output.weight", "Q4_1", [32, 32]),
        ("ffn_norm.weight", "F32", [32]),
        ("ffn_gate.weight", "Q4_1", [32, 32]),
        ("ffn_up.weight", "Q4_1", [32, 32]),
        ("ffn_down.weight", "Q4_1", [32, 32]),
    ]:
        found[f"blk.0.{name}"] = (kind, shape)
    if biases:
        for name, size in [("attn_q.bias", 32), ("attn_k.bias", 16), ("attn_v.bias", 16)]:
            found[f"blk.0.{name}"] = ("F32", [size])
    return found


def write_models() -> None:
    write("gguf", "empty", gguf({}, {}))
    write("gguf", "llama", gguf(model("llama") | tokenizer("smollm"), tensors(biases=False)))
    write("gguf", "qwen2", gguf(model("qwen2") | tokenizer("qwen2"), tensors(biases=True)))
    norms = {f"blk.0.attn_{of}_norm.weight": ("F32", [16]) for of in ["q", "k"]}
    qwen3 = model("qwen3") | tokenizer("qwen2")
    write("gguf", "qwen3", gguf(qwen3, tensors(biases=False) | norms))
    embedding = {"token_embd.weight": ("F16", [32, 2])}
    for kind in ["linear", "yarn", "dynamic"]:
        write("gguf", f"rope-{kind}", gguf(model("llama") | scaled(kind), embedding))
    llama3 = embedding | {"rope_freqs.weight": ("F32", [8])}
    divisors = struct.pack("<8f", *[1.0] * 8)  # at the end of the file
    write("gguf", "rope-llama3", gguf(model("llama"), llama3)[: -len(divisors)] + divisors)
    write("gguf", "rope-old", gguf(model("llama") | {"llama.rope.scale_linear": 2.0}, embedding))
    write("gguf", "tokenizer", gguf(tokenizer("gpt-2"), {}))
    write("gguf", "sentencepiece", gguf(sentencepiece("llama"), {}))
    write("gguf", "unigram", gguf(sentencepiece("t5"), {}))
    write("gguf", "aligned", gguf({"general.alignment": 64, "x": [1, -1]}, {}))


def write_parts() -> None:
    """Files in one input, each after its length: gguf_parts_fuzz.cpp"""
    for name, count in {"whole": 1, "two": 2, "three": 3}.items():
        content = b""
        for number in range(count):
            keys = {"split.no": number, "split.count": count, "split.tensors.count": count}
            part = gguf(keys, {f"t{number}": ("F32", [8])})
            content += struct.pack("<H", len(part)) + part
        write("gguf_parts", name, content)


def safetensors(tensors: dict[str, tuple[str, list[int], int]]) -> bytes:
    """github.com/huggingface/safetensors#format"""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    return struct.pack("<Q", len(encoded)) + encoded + bytes(end)


def write_safetensors() -> None:
    layer = "model.layers.0.self_attn"
    write("safetensors", "empty", safetensors({}))
    write("safetensors", "one", safetensors({"a": ("F32", [2, 2], 16)}))
    write("safetensors", "hollow", safetensors({"a": ("U8", [0, 3], 0), "b": ("I64", [], 8)}))
    write("safetensors", "bits", safetensors({"a": ("F4", [4], 2), "b": ("F6_E2M3", [4], 3)}))
    layers = {
        "model.embed_tokens.weight": ("BF16", [4, 2], 16),
        f"{layer}.q_proj.weight": ("F16", [2, 2], 8),
        f"{layer}.q_proj.bias": ("F32", [2], 8),
        f"{layer}.rotary_emb.inv_freq": ("F32", [1], 4),
    }
    write("safetensors", "model", safetensors(layers))


CONFIG = {
    "hidden_size": 2,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "eos_token_id": [1, 2],
}
ROPE = {"factor": 4.0, "original_max_position_embeddings": 16}
PIECES = ["<unk>", "<s>", "<0x0A>", "\u2581", "H", "i", "Hi", "\u2581Hi"]
PREFIX = {"type": "Prepend", "prepend": "\u2581"}
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}


def folder(name: str, config: object, tokenizer: object, about: object) -> None:
    """The number of rows and three files: hf_folder_fuzz.cpp"""
    texts = [json.dumps(part, ensure_ascii=False).encode() for part in (config, tokenizer, about)]
    write("hf_folder", name, b"\x0a" + b"\0".join(texts))


def write_folders() -> None:
    llama = CONFIG | {"model_type": "llama", "head_dim": 2}
    folder("mistral", CONFIG | {"model_type": "mistral", "sliding_window": 64}, {}, {})
    folder("qwen2", CONFIG | {"model_type": "qwen2", "use_sliding_window": False}, {}, {})
    folder("qwen3", CONFIG | {"model_type": "qwen3", "tie_word_embeddings": True}, {}, {})
    bands = {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    yarn = {"beta_fast": 32, "beta_slow": 1, "attention_factor": 1.0}
    for kind, more in {"linear": {}, "dynamic": {}, "yarn": yarn, "llama3": bands}.items():
        rope = {"rope_type": kind} | ROPE | more
        folder(f"rope-{kind}", llama | {"rope_parameters": rope}, {}, {})
    folder("rope-old", llama | {"rope_scaling": {"type": "linear", "factor": 2.0}}, {}, {})

    data = Path(__file__).resolve().parent.parent / "model/data/hf"
    for family in ["llama", "qwen2"]:
        config, tokenizer, about = (
            json.loads((data / family / f"{file}.json").read_text())
            for file in ["config", "tokenizer", "tokenizer_config"]
        )
        words = ["<s>", "<|end|>", "</s>", "h", "e", "he", "\u0120", "1"]
        merges = [["h", "e"]] if family == "llama" else ["h e"]
        vocab = {word: id for id, word in enumerate(words)}
        tokenizer["model"] |= {"vocab": vocab, "merges": merges}
        tokenizer["added_tokens"][-1]["id"] = len(words)
        folder(family, config, tokenizer, about | {"add_bos_token": True})

    pieces = {
        "type": "BPE",
        "byte_fallback": True,
        "vocab": {piece: id for id, piece in enumerate(PIECES)},
        "merges": ["H i", "\u2581 Hi"],
    }
    old = {"type": "Sequence", "normalizers": [PREFIX, SPACES]}
    new = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first"}
    about = {"bos_token": {"content": "<s>"}, "unk_token": "<unk>"}
    about["chat_template"] = [{"name": "default", "template": "{{ messages[0].content }}"}]
    folder("pieces-old", llama, {"normalizer": old, "model": pieces}, about)
    folder("pieces-new", llama, {"pre_tokenizer": new, "model": pieces}, about)


def write_texts() -> None:
    for name, content in {
        "english": "the cat's aaaa, the 12 345 hats!\n\n\tthe",
        "special": "<s>the<|end|><s>x<|end",
        "scripts": "naïve Ελλάδα русский 日本語 हिन्दी العربية 👩‍👩‍👧 ①²",
        "spaces": "a    b\r\n \u00a0\u3000 \n",
        "marks": "_the\u2581\u2581a <s> the <s>x  aa\u2581 \ud7a3!?\u00b5 12345",
    }.items():
        for first in range(20):  # of each vocabulary, with and without special tokens
            write("tokenizer", f"{name}-{first}", bytes([first]) + content.encode())
    write("tokenizer", "no-utf8", b"\x01a\xff\xc3(\xe2\x82\xf0\x9f\x92 \xed\xa0\x80z")


def write_templates() -> None:
    """Real templates are seeds, too: tests/jinja/data/templates."""
    features = Path(__file__).resolve().parent.parent / "jinja/data/features.json"
    for index, feature in enumerate(json.loads(features.read_text())):
        write("jinja", f"feature-{index:03}", feature["template"].encode())
    turns = b"{% for m in messages %}{{ m.role|upper }}: {{ m['content'][::-1] }}\n{% endfor %}"
    write("jinja", "turns", turns + b"\0user\0Why?\0assistant\0\xff\xc3\xa9")


def write_requests() -> None:
    chat = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    for name, request in {
        "chat": chat,
        "completion": {"prompt": "Once", "max_tokens": 3, "stop": "\n", "echo": True},
        "prompts": {"prompt": ["a", "b"], "n": 2, "best_of": 2},
        "tokens": {"prompt": [[1, 2], [3]], "seed": 7},
        "parts": chat | {"messages": [{"role": "user", "content": parts}]},
        "stream": chat | {"stream": True, "stream_options": {"include_usage": True}},
        "sampling": chat
        | {"temperature": 0.5, "top_p": 0.9, "top_k": 3, "min_p": 0.1, "logit_bias": {"5": -1.5}}
        | {"presence_penalty": 1, "frequency_penalty": -1, "repetition_penalty": 1.1},
        "logprobs": chat | {"logprobs": True, "top_logprobs": 2, "max_completion_tokens": 4},
        "limits": chat
        | {"priority": 1, "deadline_ms": 9, "cache_salt": "s", "ignore_eos": True, "min_tokens": 1},
        "deep": {"prompt": [[[[[[1]]]]]]},
        "escapes": {"prompt": "\u0000\u00e9\U0001f600\"\\"},
    }.items():
        write("http_request", name, json.dumps(request).encode())


def frame(kind: int, body: dict[str, object]) -> bytes:
    return b"TRPE" + struct.pack("<BBHQ", 1, 1, kind, 0) + msgpack.packb(body)


def write_frames() -> None:
    """docs/protocol.md; the kinds are those of messages/wire.hpp."""
    generate = {"id": "a", "prompt": "Hi", "sampling": {"stop": ["."], "logit_bias": [[5, 1.5]]}}
    chat = {"id": "b", "messages": [{"role": "user", "content": "Hi"}], "stream": False}
    tokens = {"id": "c", "tokens": struct.pack("<2i", 1, 2), "priority": 0, "deadline_ms": 9}
    conversation = [
        frame(1, {"version": "1", "client": "c"}),
        frame(3, generate),
        frame(3, generate | {"resume_from": 0}),
        frame(3, chat),
        frame(3, tokens),
        frame(8, {"id": "a"}),
        frame(9, {"nonce": 2**64 - 1}),
        frame(10, {"nonce": 1}),
    ]
    for index, part in enumerate(conversation):
        write("client_frame", f"{index}", part)
    write("client_frame", "conversation", b"".join(conversation))


SAMPLING = {"seed": 1, "stop": ["."], "logit_bias": [[5, 1.5]]}
EVENT = {"request_id": 1, "position": 0, "token": 7, "top_logprobs": [[7, -0.5]], "finish": 1}
TOKENS = struct.pack("<2i", 1, 2)
WORK = {"request_id": 1, "attempt": 1, "prompt_tokens": TOKENS, "sampling": SAMPLING}
CHOSEN = {"token": 7, "bytes": "x", "logprob": -0.5}
# Every field of internal messages that is no plain number. What a message lacks it ignores, so one
# body suits all kinds.
FIELDS = WORK | {
    "messages": [{"role": "user", "content": "Hi"}],
    "origin": {"door": 1, "peer": "p", "id": "a"},
    "message": "m",
    "worker": "w",
    "ready": True,
    "events": [EVENT],
    "chunks": [{"request_id": 1, "kind": 1, "text": "x", "logprobs": [{"chosen": CHOSEN}]}],
    "works": [{"request_id": 1, "attempt": 2}],
    "joined": [WORK],
    "slices": [{"request_id": 1, "count": 2, "blocks": TOKENS}],
    "outcomes": [{"request_id": 1, "token": 7}],
    "stages": [{"name": "batch", "id": 1}],
    "stop": ["."],
}
KINDS = [*range(1, 11), *range(64, 82), *range(96, 105)]


def write_link_frames() -> None:
    for kind in KINDS:
        write("link_frame", f"kind-{kind}", frame(kind, FIELDS))
    numbered = frame(72, {"front_epoch": 1, "events": [EVENT]}) + struct.pack("<Q", 1)
    write("link_frame", "numbered", numbered)


if __name__ == "__main__":
    write_models()
    write_parts()
    write_safetensors()
    write_folders()
    write_texts()
    write_templates()
    write_requests()
    write_frames()
    write_link_frames()
