#!/usr/bin/env python3
"""How long the stages of a front are away after an exception.

Starts a node whose stages throw at every Nth message of each kind, lets streams decode, and
reads `downtime_ms` of their lines in restart.log: from the exception until the next incarnation
takes messages.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

from arguments import count
from http_streams import Node, node_parser, open_stream, parse
from kill_notice import row

STAGES = "gateway,preprocess,dispatch,aggregate"


def decode(node: Node, arguments: argparse.Namespace) -> None:
    """Streams side by side, read to their ends."""
    body = {"model": arguments.alias, "prompt": "One, two, three,", "max_tokens": 100,
            "temperature": 0, "ignore_eos": True, "stream": True}  # fmt: skip
    streams = [open_stream(node.port, body) for _ in range(arguments.streams)]
    for stream in streams:
        stream.connection.setblocking(True)
        while stream.read():
            pass
        stream.connection.close()


def downtimes(folder: Path) -> dict[str, list[float]]:
    """Milliseconds, by stage."""
    found = defaultdict(list)
    for line in map(json.loads, (folder / "logs" / "restart.log").read_text().splitlines()):
        if line["supervisor"] == "front" and line["downtime_ms"] is not None:
            found[line["child"].split("-")[0]].append(line["downtime_ms"])
    return found


def main() -> None:
    parser = node_parser(__doc__, 8, "that decode side by side")
    parser.add_argument("--rounds", type=count, default=100, help="of such streams")
    parser.add_argument(
        "--every", type=count, default=80, help="every Nth message of a kind throws"
    )
    arguments = parse(parser)
    with tempfile.TemporaryDirectory(prefix="troupe-") as name:
        folder = Path(name)
        faults = f'[faults]\nthrow_in = "{STAGES}"\nthrow_every = {arguments.every}\n'
        node = Node(arguments, folder, faults)
        try:
            node.wait_until_ready()
            for _ in range(arguments.rounds):
                decode(node, arguments)
        finally:
            node.stop()
        found = downtimes(folder)
    print(f"{sum(map(len, found.values()))} restarts, {arguments.streams} streams decoding")
    for stage, values in sorted(found.items()):
        print(row(f"{stage} ({len(values)})", values))
    print(row("all", [value for values in found.values() for value in values]))


if __name__ == "__main__":
    main()
