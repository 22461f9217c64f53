"""What remains beside busy neighbours: the loops run, are pinned, and are gone afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from busy_neighbours import busy
from conftest import BENCH

CORES = sorted(os.sched_getaffinity(0))[:2]


def loops() -> dict[int, int]:
    """Session of each endless loop, by the core that it is pinned to."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if words[1:2] == [b"-c"] and b"signal.alarm" in words[2]:
                cores = os.sched_getaffinity(int(folder.name))
                found[min(cores)] = os.getsid(int(folder.name))
        except (OSError, IndexError):
            continue  # it ended while we looked
    return found


@pytest.mark.parametrize("sessions", ["one", "each"])
def test_each_core_has_its_loop_until_the_measurement_is_over(sessions):
    with busy(CORES, sessions):
        running = loops()
        assert sorted(running) == CORES
        assert os.getsid(0) not in running.values()
        assert len(set(running.values())) == (1 if sessions == "one" else len(CORES))
    deadline = time.monotonic() + 30
    while loops() and time.monotonic() < deadline:
        os.sched_yield()  # they were killed; the kernel takes a moment
    assert loops() == {}


def test_the_share_is_the_median_of_interleaved_rounds(fake_troupe):
    command = [
        sys.executable, str(BENCH / "busy_neighbours.py"), "--model", "tiny.gguf",
        "--troupe", fake_troupe, "--rounds", "2", "--json",
    ]  # fmt: skip
    done = subprocess.run(
        [*command, "--least", "0.99"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["remains"] == {"prefill": 1.0, "decode": 1.0}
    short = subprocess.run(
        [*command, "--least", "1.01"], capture_output=True, text=True, check=False, timeout=60
    )
    assert short.returncode == 1
