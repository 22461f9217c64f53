"""Both real models as Hugging Face folders in BF16, held to what transformers makes of the same
folders (scripts/golden/make_real_folder_goldens.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import MODELS
from gguf_to_folder import write_folder
from node import ROOT, require, run_troupe

GOLDENS = ROOT / "tests/model/data/hf/real_goldens.json"
# Of natural log-probabilities; 1e-4 was seen. BF16 activations would be off by 0.1.
LOGPROB_ERROR = 1e-3


@pytest.fixture(scope="module", params=list(MODELS))
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(folder, its goldens)"""
    model = require(MODELS[request.param])
    folder = write_folder(model, tmp_path_factory.mktemp("real") / "model")
    yield folder, json.loads(GOLDENS.read_text())[model.name]
    for file in folder.iterdir():  # a gigabyte: not kept for pytest's next three runs
        file.unlink()


def as_json(*arguments: object) -> Any:
    run = run_troupe(*arguments, "--json")
    assert run.returncode == 0, run
    return json.loads(run.stdout)


def test_a_real_folder_has_the_log_probabilities_of_transformers(real, tmp_path):
    folder, goldens = real
    file = tmp_path / "ids.json"
    file.write_text(json.dumps(goldens["ids"]))
    flags = ["--model", folder, "--precision", "fp32", "--tokens-file", file, "--top", 64]
    positions = as_json("logits", *flags)["positions"]
    assert len(positions) == len(goldens["likely"])
    for ours, theirs in zip(positions, goldens["likely"], strict=True):
        found = {entry["id"]: entry["logprob"] for entry in ours}
        for token, logprob in theirs:
            assert found[token] == pytest.approx(logprob, abs=LOGPROB_ERROR)


def test_a_real_folder_has_the_ids_of_transformers(real, tmp_path):
    folder, goldens = real
    file = tmp_path / "text.txt"
    file.write_bytes(goldens["text"].encode())
    assert as_json("tokenize", "--model", folder, "--file", file)["ids"] == goldens["text_ids"]


def test_a_real_folder_answers_a_chat_in_the_default_precision(real):
    folder, _ = real
    question = ["--chat", "--prompt", "What is 2 + 2? Answer with one number."]
    answer = as_json("generate", "--model", folder, *question, "--max-tokens", 16)
    assert "4" in answer["text"]
