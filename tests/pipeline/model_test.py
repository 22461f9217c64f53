"""`troupe perplexity`, `model verify` and `model inspect` on real files, whole and damaged."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from node import BINARY, SMOLLM2, require, run_troupe

TEXT = "The quick brown fox jumps over the lazy dog. One, two, three, four, five, six, seven.\n" * 2
CONTEXT = 16


def as_json(*arguments: object) -> Any:
    run = run_troupe(*arguments, "--json")
    assert run.returncode == 0, run
    return json.loads(run.stdout)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    return file


def losses(ids: list[int], tmp_path: Path) -> list[float]:
    """-ln p of the tokens in the second half of one window, from `troupe logits`."""
    file = tmp_path / "ids.json"
    file.write_text(json.dumps(ids))
    flags = ["--model", SMOLLM2, "--precision", "fp32", "--tokens-file", file, "--top", 20_000]
    positions = as_json("logits", *flags)["positions"]
    found = []
    for position in range(len(ids) // 2, len(ids) - 1):
        logprobs = {entry["id"]: entry["logprob"] for entry in positions[position]}
        found.append(-logprobs[ids[position + 1]])
    return found


def test_perplexity_is_that_of_the_logits(text, tmp_path):
    ids = as_json("tokenize", "--model", require(SMOLLM2), "--no-special", "--file", text)["ids"]
    assert len(ids) >= 2 * CONTEXT
    expected = []
    for begin in range(0, len(ids) - CONTEXT + 1, CONTEXT):
        expected += losses(ids[begin : begin + CONTEXT], tmp_path)
    flags = ["--model", SMOLLM2, "--precision", "fp32", "--file", text, "--context", CONTEXT]
    found = as_json("perplexity", *flags)
    assert found["tokens"] == len(expected)
    assert found["perplexity"] == pytest.approx(math.exp(sum(expected) / len(expected)), rel=1e-5)


def test_perplexity_of_a_text_without_tokens_is_refused(tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("a")
    run = run_troupe("perplexity", "--model", require(SMOLLM2), "--file", empty)
    assert run.returncode == 1 and "empty.txt: has 1 tokens" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_verify_finds_a_whole_model_well(model):
    found = as_json("model", "verify", require(model))
    assert found["ok"] and found["problems"] == [] and found["tensors"] > 200
    (file,) = found["files"]
    with open(model, "rb") as content:
        assert file["sha256"] == hashlib.file_digest(content, "sha256").hexdigest()
    assert file["bytes"] == model.stat().st_size


def test_verify_tells_a_changed_file_by_its_stated_digest(tmp_path):
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(require(SMOLLM2).read_bytes())
    beside = tmp_path / "copy.gguf.sha256"
    beside.write_text(hashlib.sha256(copy.read_bytes()).hexdigest() + "  copy.gguf\n")
    assert run_troupe("model", "verify", copy).returncode == 0
    with open(copy, "r+b") as content:  # one bit in the middle of the weights
        content.seek(copy.stat().st_size // 2)
        byte = content.read(1)[0]
        content.seek(-1, 1)
        content.write(bytes([byte ^ 1]))
    run = run_troupe("model", "verify", copy)
    assert run.returncode == 1 and "as the .sha256 beside it says" in run.stdout
    beside.write_text("no digest\n")
    run = run_troupe("model", "verify", copy)
    assert run.returncode == 1 and "does not begin with 64 hexadecimal digits" in run.stdout
    beside.unlink()
    os.mkfifo(beside)  # nobody writes to it: whoever opened it would wait for ever
    run = run_troupe("model", "verify", copy)
    assert run.returncode == 1 and "does not begin with 64 hexadecimal digits" in run.stdout


def test_verify_names_the_tensor_with_values_that_are_not_finite(tmp_path):
    copy = tmp_path / "copy.gguf"
    content = bytearray(require(SMOLLM2).read_bytes())
    content[-400_000:] = b"\xff" * 400_000  # scales of 0xFFFF are not numbers
    copy.write_bytes(content)
    run = run_troupe("model", "verify", copy, "--json")
    found = json.loads(run.stdout)
    assert run.returncode == 1 and not found["ok"]
    assert found["problems"]
    for problem in found["problems"]:
        assert problem.startswith("tensor '") and "values that are not finite" in problem


def test_inspect_plans_every_precision_and_tells_template_and_checksums(model):
    facts = as_json("model", "inspect", require(model))
    plans = facts["memory"]["one_sequence"]
    assert list(plans) == ["default", "exact", "q4", "fp32"]
    for plan in plans.values():
        totals = [value for key, value in plan.items() if key.startswith("total_bytes_for_")]
        assert len(totals) >= 2 and totals == sorted(totals) and totals[0] > plan["weights_bytes"]
    assert "{%" in facts["chat_template"]
    (digest,) = facts["checksums"]["sha256"].values()
    with open(model, "rb") as content:
        assert digest["digest"] == hashlib.file_digest(content, "sha256").hexdigest()
    assert len(facts["checksums"]["fingerprint"]) == 16
    quick = as_json("model", "inspect", model, "--no-checksums")
    assert quick["checksums"] == {}


def test_inspect_prints_the_same_for_people(model):
    run = run_troupe("model", "inspect", require(model))
    assert run.returncode == 0
    for words in ("one sequence", "q4", "total bytes for", "fingerprint", "chat template", "{%"):
        assert words in run.stdout


# A child's ru_maxrss begins with what its parent had in memory, and these tests have read whole
# models: a small process starts the command and asks for the peak among its children.
PEAK_OF_A_CHILD = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_rss(*arguments: object) -> int:
    """Bytes that a command of ours had in memory at most, mapped weights included."""
    command = [sys.executable, "-c", PEAK_OF_A_CHILD, BINARY, *map(str, arguments)]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) * 1024


def test_the_peak_of_a_command_is_its_own():
    memory_here = bytearray(b"x") * 500_000_000
    assert peak_rss("--version") < len(memory_here) / 5


@pytest.mark.parametrize("precision", ["default", "exact", "q4", "fp32"])
def test_a_full_context_takes_no_more_memory_than_was_planned(model, precision, tmp_path):
    facts = as_json("model", "inspect", require(model), "--no-checksums")
    plan = facts["memory"]["one_sequence"][precision]
    text = tmp_path / "text.txt"
    text.write_text("".join(f"{number} is followed by {number + 1}.\n" for number in range(250)))
    flags = ["--model", model, "--precision", precision]
    run_troupe("generate", *flags, "--prompt", "a", "--max-tokens", 1)  # packs, where nobody has
    peak = peak_rss("perplexity", *flags, "--file", text, "--context", 2048)
    # Else it is not the peak of a whole model; of the embeddings a text needs some rows only.
    assert plan["weights_bytes"] / 2 < peak
    assert peak <= 1.1 * plan["total_bytes_for_2048_tokens"]
