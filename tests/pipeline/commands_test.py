"""Every command on both real models, with the JSON shapes that scripts rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from node import require, run_troupe

QUESTION = "What is the capital of Japan?"


def as_json(*arguments: object) -> Any:
    run = run_troupe(*arguments, "--json")
    assert run.returncode == 0, run
    return json.loads(run.stdout)


def test_generate_answers_a_chat(model):
    answer = as_json(
        "generate", "--model", require(model), "--prompt", QUESTION, "--chat", "--max-tokens", 24
    )
    assert "Tokyo" in answer["text"]
    assert answer["finish_reason"] in ("stop", "length")
    usage = answer["usage"]
    assert usage["completion_tokens"] >= len(answer["tokens"]) > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_generate_prints_the_text_of_its_json(model):
    flags = ["--model", model, "--prompt", "The sky is", "--max-tokens", 12, "--temperature", 0]
    whole = as_json("generate", *flags)
    run = run_troupe("generate", *flags)
    assert run.returncode == 0 and run.stdout.rstrip("\n") == whole["text"].rstrip("\n")
    stop = whole["text"][3:6]
    assert as_json("generate", *flags, "--stop", stop)["text"] == whole["text"].split(stop)[0]


def test_a_seed_repeats_its_answer(model):
    flags = ["--model", model, "--prompt", "Once", "--max-tokens", 12, "--temperature", 1]
    texts = [as_json("generate", *flags, "--seed", seed)["tokens"] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_tokenize_gives_ids_and_pieces_that_make_the_text(model):
    text = "Tokyo is 東京, and 1234 × 5 = 6170!"
    tokens = as_json("tokenize", "--model", model, "The cat sat on the mat.")
    assert "".join(tokens["pieces"]) == "The cat sat on the mat."
    assert len(tokens["ids"]) == len(tokens["pieces"])
    assert len(as_json("tokenize", "--model", model, text)["ids"]) > 5


def test_logits_agree_with_what_generate_says(model, tmp_path):
    prompt = "The capital of Japan is the city of"
    ids = as_json("tokenize", "--model", model, prompt)["ids"]
    file = tmp_path / "ids.json"
    file.write_text(json.dumps(ids))
    positions = as_json("logits", "--model", model, "--tokens-file", file, "--top", 5)["positions"]
    assert len(positions) == len(ids)
    for top in positions:
        logprobs = [entry["logprob"] for entry in top]
        assert len(top) == 5 and logprobs == sorted(logprobs, reverse=True) and logprobs[0] <= 0
    answer = as_json("generate", "--model", model, "--prompt", prompt, "--max-tokens", 1)
    assert positions[-1][0]["id"] == answer["tokens"][0]


def test_bench_measures_each_batch_size(model):
    flags = ["--prompt", 16, "--generate", 4, "--batch", "1,2", "--repeat", 1]
    bench = as_json("bench", "--model", model, *flags)
    assert bench["schema_version"] and bench["numerics_id"] and bench["machine"]
    assert "calibration" in bench
    assert [row["batch"] for row in bench["results"]] == [1, 2]
    for row in bench["results"]:
        assert row["prefill_tokens_per_s"] > 0 and row["decode_tokens_per_s"] > 0
        assert row["context"] > 0 and row["kv"]


def test_every_op_that_computes_is_held_against_a_limit(model):
    flags = ["--prompt", 16, "--generate", 2, "--batch", 1, "--repeat", 1, "--profile"]
    bench = as_json("bench", "--model", model, *flags)
    if bench["calibration"]["avx2_fp32_tops"] is None:
        pytest.skip("this CPU has no vectors that kernels are written for")
    for phase in bench["results"][0]["profile"].values():
        computing = [op for op in phase["ops"] if op["operations"] > 0]
        assert computing and all(op["limit_share"] > 0 for op in computing)


def test_model_inspect_tells_what_the_file_is(model):
    facts = json.dumps(as_json("model", "inspect", model))
    assert ("qwen2" if "Qwen" in model.name else "llama") in facts
    run = run_troupe("model", "inspect", model)
    assert run.returncode == 0 and run.stdout


def test_chat_answers_what_is_typed(model):
    run = run_troupe("chat", "--model", model, "--temperature", 0, stdin=QUESTION + "\n")
    assert run.returncode == 0, run
    assert "Tokyo" in run.stdout


def test_chat_talks_to_a_server(each_node):
    run = run_troupe("chat", "--url", each_node.url, "--temperature", 0, stdin=QUESTION + "\n")
    assert run.returncode == 0, run
    assert "Tokyo" in run.stdout


def test_status_shows_the_processes_of_a_running_node(each_node):
    status = as_json("status", "--state", each_node.state)
    assert status["ready"] and not status["draining"]
    processes = {process["name"]: process["pid"] for process in status["processes"]}
    roles = each_node.roles()
    assert {role: pid for role, pid in processes.items() if role != "root"} == {
        role: pid for role, pid in roles.items() if role != "root"
    }
    run = run_troupe("status", "--state", each_node.state)
    assert run.returncode == 0 and "worker-0" in run.stdout


def test_status_without_a_node_is_a_clear_error(tmp_path):
    run = run_troupe("status", "--state", tmp_path)
    assert run.returncode > 0 and str(tmp_path) in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    "serve worker chat generate tokenize logits perplexity bench status top drain model".split(),
)
def test_every_command_explains_itself(command):
    run = run_troupe(command, "--help")
    assert run.returncode == 0 and "--" in run.stdout
    assert command in run_troupe("--help").stdout
