#!/usr/bin/env python3
"""Writes tests/model/data/hf/real_goldens.json, for tests/pipeline/real_folders_test.py.

    make_real_folder_goldens.py MODELS_DIR

Both real models as folders (tests/pipeline/gguf_to_folder.py): the ids that tokenizers makes of the
texts of tokenizer_goldens.json as one text, and what transformers computes in FP32 at each of the
first 128 positions of an English text: the eight most likely next tokens. Needs torch, transformers
and gguf; made with transformers 5.23.0, tokenizers 0.23.3 and torch 2.15.0.
"""

import json
import pathlib
import sys
import tempfile
import unicodedata

import torch
import transformers
from make_logits_goldens import ENGLISH
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/model/data"
sys.path.insert(0, str(ROOT / "tests/pipeline"))

from gguf_to_folder import write_folder  # noqa: E402

TOP = 8
POSITIONS = 128


def text_of(texts: list[str]) -> str:
    """Not normalised texts are left out: Qwen's tokenizer.json wants NFC, which the engine leaves
    to the user (docs/decisions/0021)."""
    kept = [text for text in texts if unicodedata.is_normalized("NFC", text) and "\0" not in text]
    return "\n\n".join(kept)


def goldens_of(folder: pathlib.Path, text: str) -> dict:
    # Not by AutoTokenizer: of "GPT2Tokenizer" transformers 5 keeps the vocabulary and merges of
    # tokenizer.json alone, not that digits are cut out.
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = tokenizer.encode(ENGLISH, add_special_tokens=False).ids[:POSITIONS]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    top = torch.log_softmax(logits, -1).topk(TOP, -1)
    likely = [
        [[token, round(logprob, 6)] for token, logprob in zip(tokens, logprobs, strict=True)]
        for tokens, logprobs in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]
    text_ids = tokenizer.encode(text, add_special_tokens=False).ids
    return {"text": text, "text_ids": text_ids, "ids": ids, "likely": likely}


def main():
    models = pathlib.Path(sys.argv[1])
    texts = json.loads((DATA / "tokenizer_goldens.json").read_text())
    goldens = {}
    for name, of_model in texts.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = write_folder(models / name, pathlib.Path(scratch) / "model")
            text = text_of([entry["text"] for entry in of_model["texts"]])
            goldens[name] = goldens_of(folder, text)
    target = DATA / "hf/real_goldens.json"
    target.write_text(json.dumps(goldens, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
