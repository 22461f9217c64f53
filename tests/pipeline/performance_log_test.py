"""performance.log: every forward pass of a worker, and the histogram that counts the same steps."""

from __future__ import annotations

import json

from node import Node, eventually

TOKENS = 20
REQUEST = {"prompt": "Tell me a story.", "max_tokens": TOKENS, "ignore_eos": True}


def steps_of(node: Node) -> list[dict]:
    lines = (node.folder / "logs" / "performance.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_every_step_is_a_line_and_a_sample_of_the_histogram(own_node):
    assert own_node.ask("/v1/completions", REQUEST)[0] == 200
    # The prompt's step samples the first token, and each other token has a step of its own. They
    # come with the worker's next beat.
    steps = eventually("all steps are there", lambda: len(s := steps_of(own_node)) >= TOKENS and s)
    assert [step["step"] for step in steps] == list(range(1, TOKENS + 1))
    assert steps[0]["prefill_tokens"] > 1 and steps[0]["decode_tokens"] == 0
    assert all(step["decode_tokens"] == 1 and step["sequences"] == 1 for step in steps[1:])
    assert all(step["worker"] == "worker-0" and step["step_us"] > 0 for step in steps)
    assert own_node.metrics()["troupe_step_seconds_count"] == TOKENS
    for step in steps:
        layers, attention = step["ops"]["int8_linear"], step["ops"]["attention"]
        assert 0 < layers["us"] + attention["us"] <= step["step_us"]
        assert layers["memory_bytes"] == steps[0]["ops"]["int8_linear"]["memory_bytes"] > 50e6
    # Each product of the prompt's layers is done for every token, that of the head once.
    per_token = steps[1]["ops"]["int8_linear"]["operations"]
    of_prompt = steps[0]["ops"]["int8_linear"]["operations"]
    assert per_token < of_prompt < steps[0]["prefill_tokens"] * per_token
    first, *_, last = [step["ops"]["attention"]["operations"] for step in steps[1:]]
    assert first < last  # one more key each
