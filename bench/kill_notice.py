#!/usr/bin/env python3
"""How soon root notices a killed process, and how soon its successor is ready.

Starts a node and kills its worker and its front in turn with SIGKILL, each time while streams
decode. All times are CLOCK_MONOTONIC: this script's before the kill and when a pidfd of its own
says that the process has ended, and `ts_mono` of root's lines in restart.log. Until `ended` the
kernel is at work: it stops the threads and frees their memory; from there to `noticed` root is.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import tempfile
import time
from pathlib import Path

from arguments import count
from http_streams import Node, node_parser, open_stream, parse, pid_of

COMES_BACK_SECONDS_MAX = 60


def log_lines(folder: Path, role: str) -> list[dict]:
    lines = (folder / "logs" / "restart.log").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["child"] == role]


def wait_for_return(folder: Path, role: str, pid: int) -> tuple[float, float]:
    """`ts_mono` of the death of `pid` and of its successor's readiness."""
    deadline = time.monotonic() + COMES_BACK_SECONDS_MAX
    while time.monotonic() < deadline:
        lines = log_lines(folder, role)
        deaths = [i for i, line in enumerate(lines) if line["id"] == pid and line["signal"]]
        after = lines[deaths[0] :] if deaths else []
        ready = [line["ts_mono"] for line in after if line["event"] == "progress"]
        if ready:
            return after[0]["ts_mono"], ready[0]
        time.sleep(0.02)
    raise SystemExit(f"kill_notice: {role} did not come back")


def start_streams(node: Node, arguments: argparse.Namespace) -> list:
    """Streams that have their first tokens, and many more to come."""
    body = {"model": arguments.alias, "prompt": "One, two, three,", "max_tokens": 2000,
            "temperature": 0, "ignore_eos": True, "stream": True}  # fmt: skip
    streams = [open_stream(node.port, body) for _ in range(arguments.streams)]
    for stream in streams:
        stream.connection.setblocking(True)
        while stream.events < 2 and stream.read():
            pass
    return streams


def kill_once(node: Node, folder: Path, role: str, arguments) -> dict[str, float]:
    """Milliseconds from the kill."""
    node.wait_until_ready()
    streams = start_streams(node, arguments)
    pid = pid_of(node, role)
    pid_fd = os.pidfd_open(pid)
    begin = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    select.select([pid_fd], [], [])
    ended = time.monotonic()
    noticed, ready = wait_for_return(folder, role, pid)
    os.close(pid_fd)
    for stream in streams:
        stream.connection.close()
    moments = {"ended": ended, "noticed": noticed, "ready again": ready}
    return {name: (moment - begin) * 1000 for name, moment in moments.items()}


def row(name: str, values: list[float]) -> str:
    values = sorted(values)
    at = [values[min(len(values) - 1, len(values) * share // 100)] for share in (50, 99)]
    return f"{name:<20} median {at[0]:7.2f}  p99 {at[1]:7.2f}  max {values[-1]:7.2f} ms"


def main() -> None:
    parser = node_parser(__doc__, 4, "that decode when the kill comes")
    parser.add_argument("--kills", type=count, default=50, help="of each process")
    arguments = parse(parser)
    with tempfile.TemporaryDirectory(prefix="troupe-") as name:
        folder = Path(name)
        node = Node(arguments, folder)
        try:
            spans: dict[str, list[dict]] = {"worker-0": [], "front": []}
            for _ in range(arguments.kills):
                for role, of_role in spans.items():
                    of_role.append(kill_once(node, folder, role, arguments))
        finally:
            node.stop()
    print(f"{arguments.kills} kills each, {arguments.streams} streams decoding")
    for role, of_role in spans.items():
        for name in of_role[0]:
            print(row(f"{role} {name}", [moments[name] for moments in of_role]))
        print(row("root's share", [m["noticed"] - m["ended"] for m in of_role]))


if __name__ == "__main__":
    main()
