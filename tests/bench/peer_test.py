"""The protocol between harness and peers, and the clock of peers with a step function."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from engines import Peer, Plan, Unavailable
from peers import peer as peer_module
from peers.peer import Task, rate_of_steps


def state_of(pid: int) -> str:
    """T: stopped. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.fixture
def fake(tmp_path: Path):
    plan = Plan(Path("tiny.gguf"), tmp_path, threads=1, streams_max=16, context_max=64)
    peer = Peer("fake", sys.executable, plan, tmp_path)
    peer.start()
    yield peer
    peer.stop()


def test_a_peer_is_stopped_whenever_it_is_not_measured(fake):
    import os

    def stopped() -> bool:
        # Reported once it has stopped; returns at once if it has not been seen yet.
        _, status = os.waitpid(fake.process.pid, os.WUNTRACED)
        return os.WIFSTOPPED(status) and state_of(fake.process.pid) == "T"

    assert stopped()
    assert fake.run(Task("decode", 2, 8, 4)).tokens_per_s == 20.0
    assert stopped()


def test_what_libraries_print_does_not_reach_the_harness(fake):
    assert fake.about["name"] == "fake"
    assert "must not reach the harness" in fake.log_path.read_text()


def test_a_peer_that_died_says_so_at_every_later_task(fake):
    for _ in range(2):
        with pytest.raises(Unavailable):
            fake.run(Task("decode", 13, 8, 4))


@pytest.fixture
def clock(monkeypatch):
    """Time that only the steps move."""
    now = [0.0]
    monkeypatch.setattr(peer_module.time, "perf_counter", lambda: now[0])
    return now


def test_a_prefill_ends_when_the_last_stream_has_its_first_token(clock):
    counts = iter([[1, 0], [2, 1]])

    def step() -> list[int]:
        clock[0] += 2.0
        return next(counts)

    assert rate_of_steps(Task("prefill", 2, 10, 0), step) == 20 / 4.0


def test_decoding_counts_only_the_tokens_behind_the_prefill(clock):
    counts = iter([[1, 0], [2, 1], [3, 2], [4, 3]])

    def step() -> list[int]:
        clock[0] += 2.0
        return next(counts)

    assert rate_of_steps(Task("decode", 2, 10, 2), step) == (7 - 3) / 4.0
