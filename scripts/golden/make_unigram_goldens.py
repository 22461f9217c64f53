#!/usr/bin/env python3
"""Write tests/model/data/unigram_goldens.json: a small unigram vocabulary and its ids.

The vocabulary is trained by Hugging Face `tokenizers` on the texts below and has tokens for single
bytes; ids are from the same library (Unigram with byte_fallback, a space written as U+2581 and put
before the text, no other normalisation).

Needs tokenizers (0.23.3 was used) and transformers, for the texts.
"""

import json
import pathlib

from make_tokenizer_goldens import SCRIPTS, TEXTS
from tokenizers import Tokenizer, decoders, models, normalizers, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPACE = "\u2581"


def trained() -> list[tuple[str, float]]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    # Some scripts stay unknown: their characters fall back to bytes.
    trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=["<unk>"], unk_token="<unk>")
    tokenizer.train_from_iterator(SCRIPTS[:4] * 3, trainer)
    pieces = json.loads(tokenizer.to_str())["model"]["vocab"][1:]
    return [(piece, score) for piece, score in pieces]


def main() -> None:
    vocabulary = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    vocabulary += [(f"<0x{byte:02X}>", 0.0) for byte in range(256)]
    vocabulary += trained()
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback()])
    # As for SentencePiece itself a literal U+2581 counts as a space, and control tokens are no
    # pieces; for this library they are.
    others = (SPACE, "<unk>", "<s>", "</s>", "<0x")
    texts = [text for text in SCRIPTS + TEXTS if not any(other in text for other in others)]
    cases = [{"text": text, "ids": tokenizer.encode(text).ids} for text in texts]
    golden = {"vocabulary": vocabulary, "cases": cases}
    path = ROOT / "tests/model/data/unigram_goldens.json"
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
