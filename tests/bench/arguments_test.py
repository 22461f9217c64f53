"""Wrong inputs of the benchmarks end with one line, before anything is measured."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import BENCH


def refusal(script: str, *arguments: object) -> str:
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode not in (0, -9), done
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("script", ["busy_neighbours.py", "http_streams.py"])
@pytest.mark.parametrize("option", ["--streams", "--prompt", "--generate", "--rounds"])
def test_what_is_counted_is_at_least_one(fake_troupe, script, option):
    said = refusal(script, "--model", "m.gguf", "--troupe", fake_troupe, option, 0)
    assert f"argument {option}: must be at least 1" in said


@pytest.mark.parametrize("script", ["busy_neighbours.py", "http_streams.py"])
def test_a_binary_that_is_not_there_is_named(script):
    said = refusal(script, "--model", "m.gguf", "--troupe", "/nonexistent")
    assert "--troupe: /nonexistent cannot be run: build it" in said


def test_what_troupe_refuses_is_passed_on(fake_troupe):
    said = refusal(
        "busy_neighbours.py", "--model", "m.gguf", "--troupe", fake_troupe, "--precision", "q4"
    )
    assert said == "busy_neighbours: troupe: --precision q4 is planned"


def test_a_node_that_does_not_start_says_why(fake_troupe, tmp_path):
    model = tmp_path / "m.gguf"
    model.touch()
    said = refusal("starts.py", "--model", model, "--troupe", fake_troupe, "--precision", "q4")
    assert said == "starts: troupe: --precision q4 is planned"
    said = refusal("starts.py", "--model", model, "--troupe", fake_troupe, "--rounds", 0)
    assert said.endswith("argument --rounds: must be at least 1")


def test_a_comparison_checks_its_document_and_prompt_first(fake_troupe, tmp_path):
    begin = (tmp_path, "--model", "m.gguf", "--troupe", fake_troupe)
    assert "argument --refresh: /no.md is not a file" in refusal(
        "compare.py", *begin, "--refresh", "/no.md"
    )
    assert "argument --prefill: must be at least 1" in refusal("compare.py", *begin, "--prefill", 0)


def test_sizes_of_a_scaling_are_numbers_of_which_a_prompt_can_be_made(fake_troupe, tmp_path):
    begin = (tmp_path, "--model", "m.gguf", "--troupe", fake_troupe, "--scaling")
    for option, value, says in [
        ("--scaling-contexts", "0", "must be at least 1"),
        ("--scaling-contexts", "512,2", "a context has at least 3 tokens"),
        ("--scaling-streams", "1,x", "'x' is not a number"),
        ("--scaling-threads", "0", "must be at least 1"),
        ("--scaling-tokens-max", "0", "must be at least 1"),
    ]:
        said = refusal("compare.py", *begin, option, value)
        assert said.endswith(f"argument {option}: {says}")


def test_what_is_done_to_the_front_can_be_run(fake_troupe):
    begin = ("--model", "m.gguf", "--troupe", fake_troupe, "--on-front")
    said = refusal("http_streams.py", *begin, "nonsense -b")
    assert said.endswith("argument --on-front: 'nonsense -b' cannot be run")
