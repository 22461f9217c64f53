#!/usr/bin/env python3
"""What remains of the engine's tokens/s beside foreign processes that never sleep.

Each round runs `troupe bench` on the quiet machine, then beside one endless loop pinned to each
core. The loops are one session, as a build or a simulation would be; with `--sessions each` every
loop is a session of its own: Linux with autogroups (sched(7)) shares cores out between sessions
first, so the engine gets a third of the machine then, not half.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from arguments import count, program  # noqa: E402
from engines import Unavailable, json_of  # noqa: E402

LOOP_SECONDS_MAX = 900  # a loop ends by itself should nobody end it
# Its arguments are the cores to keep busy; it answers with a line when all loops run. A child
# inherits the core that was chosen before the fork.
LOOPS = f"""
import os, signal, sys
for core in map(int, sys.argv[2:]):
    os.sched_setaffinity(0, [core])
    if os.fork() == 0:
        break
else:
    os.sched_setaffinity(0, [int(sys.argv[1])])
    print("busy", flush=True)
signal.alarm({LOOP_SECONDS_MAX})
while True:
    pass
"""


def sessions_of(cores: list[int], sessions: str) -> list[list[int]]:
    return [cores] if sessions == "one" else [[core] for core in cores]


@contextlib.contextmanager
def busy(cores: list[int], sessions: str) -> Iterator[None]:
    """One endless loop on each core, in sessions (and process groups) that are not ours."""
    leaders = []
    try:
        for part in sessions_of(cores, sessions):
            command = [sys.executable, "-c", LOOPS, *map(str, part)]
            leaders.append(
                subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
            )
        for leader in leaders:
            leader.stdout.readline()
        yield
    finally:
        for leader in leaders:
            os.killpg(leader.pid, signal.SIGKILL)
            leader.wait()
            leader.stdout.close()


def bench(arguments: argparse.Namespace, cores: list[int]) -> dict:
    said = json_of([
        arguments.troupe, "bench", "--json", "--repeat", "2", "--model", str(arguments.model),
        "--precision", arguments.precision, "--threads", str(len(cores)),
        "--batch", str(arguments.streams), "--prompt", str(arguments.prompt),
        "--generate", str(arguments.generate),
    ])  # fmt: skip
    result = said["results"][0]
    return {kind: result[f"{kind}_tokens_per_s"] for kind in ("prefill", "decode")}


def shares(rounds: list[tuple[dict, dict]], kind: str) -> list[float]:
    return [beside[kind] / quiet[kind] for quiet, beside in rounds]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--model", type=Path, required=True, help="GGUF file")
    add("--troupe", type=program, default="build/release/apps/troupe", help="the binary")
    add("--precision", default="default")
    add("--streams", type=count, default=8)
    add("--prompt", type=count, default=128, help="tokens of each prompt")
    add("--generate", type=count, default=64, help="decode steps that are timed")
    add("--sessions", choices=["one", "each"], default="one", help="of the loops")
    add("--rounds", type=count, default=5)
    add("--least", type=float, default=0.0, help="exit 1 when less of decoding remains (median)")
    add("--json", action="store_true")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    cores = sorted(os.sched_getaffinity(0))
    rounds = []
    for number in range(1, arguments.rounds + 1):
        quiet = bench(arguments, cores)
        with busy(cores, arguments.sessions):
            rounds.append((quiet, bench(arguments, cores)))
        remains = {kind: f"{100 * shares(rounds[-1:], kind)[0]:.0f} %" for kind in quiet}
        print(f"round {number}: quiet {quiet}, beside loops {remains}", file=sys.stderr, flush=True)
    medians = {kind: statistics.median(shares(rounds, kind)) for kind in ("prefill", "decode")}
    if arguments.json:
        print(json.dumps({"remains": medians, "rounds": rounds, "cores": cores}))
    else:
        print(
            f"beside a loop on each of {len(cores)} cores remain {100 * medians['decode']:.1f} % "
            f"of decoding, {100 * medians['prefill']:.1f} % of prefill"
        )
    return 0 if medians["decode"] >= arguments.least else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as refusal:
        sys.exit(f"busy_neighbours: {refusal}")
