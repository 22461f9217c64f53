#!/usr/bin/env python3
"""How long `troupe serve` takes from its exec to its word that it is ready.

In each round a first start, which packs the model's weights, and a second one, which maps them. The
packed weights lie beside a link to the model in a folder that goes away; the model itself is in the
page cache, for the first start has read it.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from arguments import count, existing_file, program  # noqa: E402

READY = "troupe: ready in "  # how the line begins that a person waits for


def seconds_to_ready(command: list[str]) -> float:
    begin = time.perf_counter()
    node = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    said = []
    for line in node.stderr:
        said.append(line.strip())
        if line.startswith(READY):
            break
    seconds = time.perf_counter() - begin
    node.send_signal(signal.SIGTERM)
    node.communicate()
    if not said or not said[-1].startswith(READY):
        sys.exit("starts: " + "; ".join(said[-2:]))  # the cause, and that the node stops
    return seconds


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of the starts of one round."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / arguments.model.name
        model.symlink_to(arguments.model.resolve())
        command = [
            arguments.troupe, "serve", "--model", str(model), "--precision", arguments.precision,
            "--state", f"{folder}/state", "--logs", f"{folder}/logs",
            "--http", "127.0.0.1:0", "--zmq", f"ipc://{folder}/zmq.ipc",
        ]  # fmt: skip
        return {start: 1e3 * seconds_to_ready(command) for start in ("first", "second")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, type=existing_file)
    parser.add_argument("--troupe", type=program, default="build/release/apps/troupe")
    parser.add_argument("--precision", default="default")
    parser.add_argument("--rounds", type=count, default=9)
    arguments = parser.parse_args()
    rounds = [measure(arguments) for _ in range(arguments.rounds)]
    for start in ("first", "second"):
        times = [figures[start] for figures in rounds]
        print(
            f"{start} start, exec to ready: median {statistics.median(times):.0f} ms"
            f" ({min(times):.0f} to {max(times):.0f}, {len(times)} starts)"
        )


if __name__ == "__main__":
    main()
