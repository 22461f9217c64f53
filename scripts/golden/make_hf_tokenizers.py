#!/usr/bin/env python3
"""Writes small tokenizers as tokenizer.json has them, with the ids that the package tokenizers
gives to texts, for hf_golden_test.cpp.

    make_hf_tokenizers.py OUT.json

needs tokenizers. The file holds {"models": {name: model}, "cases": [{"name": what it is about,
"model": name, "tokenizer": tokenizer.json without its model, "texts": [{text, ids}]}]}; texts of
a case with a decoder have what it makes of the ids as "decoded".
"""

import json
import pathlib
import sys

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

SPACE = "\u2581"
ENGLISH = "the cat sat on the mat and then the other cat sat there, too: a cat, the mat, an ant. "
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
# huggingface.co/deepseek-ai/deepseek-llm-7b-base, its letters cut short after the beginning.
DEEPSEEK = [
    "[\r\n]",
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓ]+",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s+$",
    "[一-龥ࠀ-一가-퟿]+",
]
TEXTS = [
    "",
    " ",
    "the cat",
    " the cat",
    "  the  cat ",
    SPACE + "the cat",
    "<s>the cat</s> the mat</s>the ant",
    "<s> the cat</s>",
    "the<s>",
    "\nthe 1234 cats\n\n",
    "naïve 猫!",
]
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def pieces_model():
    """As SentencePiece's conversion writes it: every pair that makes a token, best token first."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(vocab_size=60, show_progress=False)
    tokenizer.train_from_iterator([ENGLISH], trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    made = ["".join(pair) for pair in trained["merges"]] + [SPACE * 2]
    letters = [token for token in trained["vocab"] if len(token) == 1]
    tokens = SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)] + letters + made
    known = set(letters + made)
    merges = [
        [token[:at], token[at:]]
        for token in made
        for at in range(1, len(token))
        if token[:at] in known and token[at:] in known
    ]
    return bpe(tokens, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)


def bytes_model():
    """ "Ġcat" is a token that no merges reach; "12" one that digits apart do not."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = ["th", "the", "at", "Ġt", "Ġthe", "12", "34"]
    merges = [["t", "h"], ["th", "e"], ["a", "t"], ["Ġ", "t"], ["Ġ", "the"], ["1", "2"], ["3", "4"]]
    return bpe(SPECIAL + alphabet + made + ["Ġcat"], merges)


def bpe(tokens, merges, **options):
    vocab = {token: place for place, token in enumerate(tokens)}
    return {"type": "BPE", "vocab": vocab, "merges": merges, **options}


def metaspace(scheme):
    step = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": False}
    steps = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ]
    decoder = {"type": "Sequence", "decoders": steps} if scheme == "first" else None
    return {"normalizer": None, "pre_tokenizer": step, "decoder": decoder}


def split(regex):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


def sequence(steps):
    return {"type": "Sequence", "pretokenizers": steps}


def cases():
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prepend = {"type": "Prepend", "prepend": SPACE}
    llama2 = {"type": "Sequence", "normalizers": [prepend, spaces]}
    yield "a normalizer that prepends", "pieces", {"normalizer": llama2}
    for scheme in ("always", "first", "never"):
        yield f"Metaspace, {scheme}", "pieces", metaspace(scheme)
    llama3 = {"pre_tokenizer": sequence([split(LLAMA3), BYTES])}
    yield "Llama 3's pattern", "bytes", llama3
    yield "Llama 3's pattern, merges ignored", "whole", llama3
    nothing = {"type": "Sequence", "normalizers": []}
    gpt2 = {**BYTES, "use_regex": True}
    yield "GPT-2's pattern, merges ignored", "whole", {"normalizer": nothing, "pre_tokenizer": gpt2}
    digits = {"type": "Digits", "individual_digits": True}
    steps = [split(regex) for regex in DEEPSEEK] + [digits, BYTES]
    yield "DeepSeek-LLM's patterns", "bytes", {"pre_tokenizer": sequence(steps)}


def added(place, text):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": place, "content": text, **flags, "special": True}


def main():
    every = {"pieces": pieces_model(), "bytes": bytes_model()}
    every["whole"] = {**every["bytes"], "ignore_merges": True}
    written = []
    for name, model, steps in cases():
        fields = {"added_tokens": [added(*token) for token in enumerate(SPECIAL)], **steps}
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps({**fields, "model": every[model]}))
        texts = [{"text": text, "ids": tokenizer.encode(text).ids} for text in TEXTS]
        for golden in texts if tokenizer.decoder else []:
            golden["decoded"] = tokenizer.decode(golden["ids"], skip_special_tokens=False)
        written.append({"name": name, "model": model, "tokenizer": fields, "texts": texts})
    lines = json.dumps({"models": every, "cases": written}, ensure_ascii=False)
    pathlib.Path(sys.argv[1]).write_text(lines + "\n")


if __name__ == "__main__":
    main()
