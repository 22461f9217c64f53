"""The wall clock jumps: nothing but time stamps depends on it."""

from __future__ import annotations

import datetime
import struct
from pathlib import Path

from node import BINARY, HANG_S, SMOLLM2, Node, eventually
from troupe_client import Client

SHIFT = BINARY.parent.parent / "tests/support/libclock_shift.so"
SAMPLED = {"temperature": 0.9, "top_p": 0.95, "seed": 42, "ignore_eos": True}
DAY_S = 24 * 3600


def logged_at(node: Node) -> datetime.datetime:
    """The wall clock of the latest line of restart.log."""
    return datetime.datetime.fromisoformat(node.restart_log()[-1]["ts_wall"].replace("Z", "+00:00"))


def test_streams_and_restarts_do_not_notice_a_wall_clock_that_jumps(tmp_path: Path) -> None:
    assert SHIFT.exists(), f"{SHIFT} is missing: run scripts/build.sh release"
    clock = tmp_path / "clock"
    clock.write_bytes(struct.pack("<q", 0))
    wrapper = ("env", f"LD_PRELOAD={SHIFT}", f"CLOCK_SHIFT_FILE={clock}")

    def jump(seconds: int) -> None:
        with open(clock, "r+b") as file:  # the same file: it is mapped
            file.write(struct.pack("<q", seconds))

    node = Node(SMOLLM2, "--context", "1024", wrapper=wrapper)
    try:
        with Client(node.zmq, connect_timeout_s=HANG_S) as client:
            undisturbed = client.generate(tokens=[1, 2, 3], max_tokens=200, **SAMPLED).tokens
            for seconds in (-DAY_S, DAY_S, 0):
                with client.stream(tokens=[1, 2, 3], max_tokens=200, **SAMPLED) as stream:
                    next(stream)
                    jump(seconds)
                    # Their next incarnations begin by the new time.
                    for role in ("worker-0", "front"):
                        killed = node.kill(role)
                        eventually(
                            f"another {role} runs",
                            lambda role=role, killed=killed: node.pid_of(role) not in (0, killed),
                        )
                    list(stream)
                assert stream.result is not None and stream.result.tokens == undisturbed
                eventually("the node is ready", node.is_ready)
                now = datetime.datetime.now(datetime.timezone.utc)
                shifted = now + datetime.timedelta(seconds=seconds)
                # The clock did jump: the log's lines bear the new time.
                assert abs(logged_at(node) - shifted) < datetime.timedelta(seconds=4 * HANG_S)
        node.assert_conserved()
        reasons = {line["reason_code"] for line in node.restart_log()}
        assert reasons == {None, "SIGKILL"}
    finally:
        node.stop()
