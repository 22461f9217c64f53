#!/usr/bin/env python3
"""Write tests/model/data/vocabularies/goldens.json: ids of many texts by the makers' libraries.

The vocabularies beside it are those of llama.cpp's tests (see the README there). Ids come from
Hugging Face `tokenizers` with the patterns of the models' tokenizer.json for gpt-2 and llama-bpe,
and from Google's `sentencepiece` for llama-spm. No special token is looked for in the texts.

Needs gguf, tokenizers, sentencepiece and protobuf, and transformers for the texts.
"""

import json
import pathlib

import sentencepiece
from gguf import GGUFReader
from make_tokenizer_goldens import TEXTS
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/model/data/vocabularies"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def fields(name):
    reader = GGUFReader(FOLDER / f"ggml-vocab-{name}.gguf")
    return {
        key.removeprefix("tokenizer.ggml."): field.contents()
        for key, field in reader.fields.items()
        if key.startswith("tokenizer.ggml.")
    }


def byte_level(name, pre_tokenizer, ignore_merges):
    vocabulary = fields(name)
    ids = {token: index for index, token in enumerate(vocabulary["tokens"])}
    merges = [tuple(merge.split(" ", 1)) for merge in vocabulary["merges"]]
    tokenizer = Tokenizer(models.BPE(ids, merges, ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def llama_spm():
    vocabulary = fields("llama-spm")
    model = sentencepiece_model_pb2.ModelProto()
    model.trainer_spec.model_type = sentencepiece_model_pb2.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = True
    model.normalizer_spec.remove_extra_whitespaces = False
    columns = zip(vocabulary["tokens"], vocabulary["scores"], vocabulary["token_type"])
    for token, score, kind in columns:
        model.pieces.add(piece=token, score=score, type=kind)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    return processor.encode


def main() -> None:
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    llama3 = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    encoders = {
        "gpt-2": byte_level("gpt-2", gpt2, False),
        "llama-bpe": byte_level("llama-bpe", llama3, True),
        "llama-spm": llama_spm(),
    }
    goldens = {
        name: [{"text": text, "ids": encode(text)} for text in TEXTS]
        for name, encode in encoders.items()
    }
    path = FOLDER / "goldens.json"
    path.write_text(json.dumps(goldens, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
