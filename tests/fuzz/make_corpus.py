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
    kind = STRING if not value or isinstance(value[0], str) else INT32
    items = b"".join(text(v) if kind == STRING else struct.pack("<i", v) for v in value)
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
    write("gguf", "tokenizer", gguf(tokenizer("gpt-2"), {}))
    write("gguf", "aligned", gguf({"general.alignment": 64, "x": [1, -1]}, {}))


def write_texts() -> None:
    for name, content in {
        "english": "the cat's aaaa, the 12 345 hats!\n\n\tthe",
        "special": "<s>the<|end|><s>x<|end",
        "scripts": "naïve Ελλάδα русский 日本語 हिन्दी العربية 👩‍👩‍👧 ①²",
        "spaces": "a    b\r\n \u00a0\u3000 \n",
    }.items():
        for first in range(6):
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
    write_texts()
    write_templates()
    write_requests()
    write_frames()
    write_link_frames()
