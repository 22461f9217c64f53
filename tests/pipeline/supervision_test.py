"""Root over real processes: hangs, memory, and the tree that `troupe top` draws."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from node import SMOLLM2, Node, eventually, run_troupe

SHORT = {"model": "test", "prompt": "The sky is", "max_tokens": 4, "temperature": 0}


def deaths(node: Node, reason: str) -> list[dict]:
    return [line for line in node.restart_log() if line["reason_code"] == reason]


@pytest.mark.parametrize("role", ["worker-0", "front"])
def test_a_stopped_process_is_killed_and_comes_back(own_node, role):
    stopped = own_node.roles()[role]
    os.kill(stopped, signal.SIGSTOP)
    eventually(f"{role} is another process", lambda: own_node.roles().get(role, stopped) != stopped)
    eventually("the node is ready again", own_node.is_ready)
    (death,) = deaths(own_node, "stopped")
    assert death["child"] == role and death["id"] == stopped
    assert own_node.ask("/v1/completions", SHORT)[0] == 200


def test_a_worker_that_is_stopped_as_it_starts_is_killed_and_comes_back(own_node):
    killed = own_node.kill("worker-0")
    starting = eventually(
        "another one starts",
        lambda: next((p for p in [own_node.pid_of("worker-0")] if p not in (0, killed)), 0),
    )
    os.kill(starting, signal.SIGSTOP)
    eventually("a third one runs", lambda: own_node.pid_of("worker-0") not in (0, killed, starting))
    eventually("the node is ready again", own_node.is_ready)
    (death,) = deaths(own_node, "stopped")
    assert death["event"] == "start_error" and death["id"] == starting
    assert own_node.ask("/v1/completions", SHORT)[0] == 200


def test_a_restarted_worker_answers_as_the_first_one_did(own_node):
    before = own_node.ask("/v1/completions", SHORT)
    killed = own_node.kill("worker-0")
    eventually("a worker is back", lambda: own_node.roles().get("worker-0", killed) != killed)
    eventually("the node is ready again", own_node.is_ready)
    assert own_node.ask("/v1/completions", SHORT)[1]["choices"] == before[1]["choices"]
    assert deaths(own_node, "invalid_answer") == []


def test_a_worker_over_its_memory_limit_is_replaced(tmp_path):
    config = tmp_path / "t.toml"
    # Far less than the engine needs beside its weights.
    config.write_text("[node]\nworker_memory_mb = 8\n")
    node = Node(SMOLLM2, "--config", str(config), "--state", "state", "--logs", "logs")
    try:
        first = node.roles()["worker-0"]
        eventually("the worker was replaced", lambda: node.roles().get("worker-0", first) != first)
        ends = [line for line in node.restart_log() if "MiB of memory" in line["reason_text"]]
        assert ends[0]["event"] == "shutdown" and ends[0]["backoff_ms"] >= 50
    finally:
        node.stop()


def test_top_draws_the_tree(node):
    done = run_troupe("top", "--once", "--state", Path(node.state))
    assert done.returncode == 0, done.stderr
    stages = ("link", "aggregate", "dispatch", "preprocess-0", "preprocess-1", "gateway", "batch")
    for part in ("├─ worker-0", "└─ front", "IN FLIGHT", *stages):
        assert part in done.stdout


def test_status_tells_of_every_stage_of_the_front(node):
    def rows() -> dict[str, dict]:
        done = run_troupe("status", "--json", "--state", Path(node.state))
        processes = {row["name"]: row for row in json.loads(done.stdout)["processes"]}
        return {row["name"]: row for row in processes["front"]["stages"]}

    def states() -> set[str]:
        return {row["state"] for row in rows().values()}

    eventually("all stages are ready", lambda: states() == {"ready"})
    for row in rows().values():
        assert row["kind"] == "actor" and row["id"] > 0 and row["generation"] > 0
        assert row["restarts"] == 0 and row["last_reason"] == ""
    metrics = node.metric_lines("troupe_child_up")
    assert metrics['troupe_child_up{child="aggregate"}'] == 1
