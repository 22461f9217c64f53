"""Models in Hugging Face folders, through the commands and a whole node."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from node import Node, run_troupe

FOLDERS = Path(__file__).parents[1] / "model" / "data" / "hf"
PROMPT = "She had peeped into the book"
TOKENS = 8


def as_json(*arguments: object) -> Any:
    run = run_troupe(*arguments, "--json")
    assert run.returncode == 0, run
    return json.loads(run.stdout)


@pytest.fixture(params=["llama", "qwen2"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy: packed weights are written into it."""
    return Path(shutil.copytree(FOLDERS / request.param, tmp_path / request.param))


@pytest.mark.parametrize("precision", ["default", "exact", "q4", "fp32"])
def test_a_folder_is_served_with_the_answers_of_generate(folder, precision):
    flags = ["--precision", precision, "--model", folder]
    sampling = ["--prompt", PROMPT, "--temperature", 0, "--max-tokens", TOKENS]
    alone = as_json("generate", *flags, *sampling)
    assert alone["tokens"]
    with Node.of(folder, "--precision", precision) as node:
        body = {"model": "test", "prompt": PROMPT, "temperature": 0, "max_tokens": TOKENS}
        status, answer = node.ask("/v1/completions", body)
        assert status == 200, answer
        assert answer["choices"][0]["text"] == alone["text"]


def test_a_folder_is_inspected_and_verified(folder):
    facts = as_json("model", "inspect", folder)
    assert facts["architecture"]["family"] == folder.name
    assert as_json("model", "verify", folder)


def test_a_folder_that_lacks_a_file_is_refused_with_its_name(folder):
    (folder / "tokenizer.json").unlink()
    run = run_troupe("generate", "--model", folder, "--prompt", PROMPT)
    assert run.returncode != 0 and "tokenizer.json" in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_folder_that_is_no_model_is_refused_in_one_line(tmp_path):
    run = run_troupe("serve", "--model", tmp_path)
    assert run.returncode != 0 and "without config.json" in run.stderr
    assert run.stderr.count("\n") == 1
