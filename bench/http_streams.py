#!/usr/bin/env python3
"""What the front costs: tokens/s of N concurrent streams over HTTP beside the bare engine's.

Starts a node, and in each round measures first `troupe bench` with a batch of N, then N streaming
completions of the same prompt length. Both run on the same cores, and so does this client, whose
CPU time is stated apart. Only the time in which all streams decode counts: from the last stream's
first token to the first stream's end.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import math
import os
import random
import selectors
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from arguments import command, count, program  # noqa: E402
from engines import Plan, Troupe, Unavailable  # noqa: E402
from peers.peer import Task  # noqa: E402

READY_SECONDS_MAX = 600  # the first start packs weights
EVENT = b"data: "  # begins every server-sent event
HEAD_BYTES_MAX = 2000  # a refusal's headers and text
WHOLE = b'"finish_reason":"length"'  # is in the last one of an answer that has all its tokens


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cpu_seconds(pid: int) -> float:
    """User and system time. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


class Node:
    """`troupe serve` in a folder of its own."""

    def __init__(self, arguments: argparse.Namespace, folder: Path, config_more: str = "") -> None:
        self.port = free_port()
        config = folder / "node.toml"
        config.write_text(
            f'[node]\nstate = "{folder}/state"\nlogs = "{folder}/logs"\n'
            f"[batch]\nsequences_max = {max(64, arguments.streams)}\n{config_more}"
        )
        command = [
            arguments.troupe, "serve", "--config", str(config), "--model", str(arguments.model),
            "--http", f"127.0.0.1:{self.port}", "--zmq", f"ipc://{folder}/zmq.ipc",
            "--threads", str(arguments.threads), "--precision", arguments.precision,
        ]  # fmt: skip
        self.log = folder / "serve.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"http_streams: the node ended: {self.log.read_text()[-500:]}")
            with contextlib.suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.05)
        raise SystemExit("http_streams: the node did not become ready")

    def cpu_by_process(self) -> dict[str, float]:
        """Seconds by the name that each process shows: front, worker-0."""
        names = {}
        pids = [self.process.pid]
        while pids:
            pid = pids.pop()
            pids += children(pid)
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            names[b" ".join(words[:2]).decode().split("/")[-1]] = cpu_seconds(pid)
        return names

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.process.kill()


def pid_of(node: Node, role: str) -> int:
    """Of the living process that shows this role in its command line; 0: none does."""
    for pid in children(node.process.pid):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if len(words) > 1 and words[1].decode() == role:
            return pid
    return 0


def treat_front(node: Node, command: list[str]) -> None:
    """Runs the command with the id of each thread of the front behind it."""
    for thread in os.listdir(f"/proc/{pid_of(node, 'front')}/task"):
        done = subprocess.run([*command, thread], stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise SystemExit(f"http_streams: {shlex.join(command)} {thread} failed")


def step_and_pause(log: Path, streams: int) -> tuple[float, float]:
    """Milliseconds: the median step of all streams, and what passes between two on average."""
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    full = [s for s in steps if s["decode_tokens"] == streams and s["prefill_tokens"] == 0]
    ends = [datetime.fromisoformat(step["ts_wall"]).timestamp() * 1e3 for step in full]
    pauses = [
        end - last - step["step_us"] / 1e3
        for last, end, before, step in zip(ends, ends[1:], full, full[1:])
        if step["step"] == before["step"] + 1
    ]
    if not pauses:  # answers too short to overlap
        return math.nan, math.nan
    return statistics.median(step["step_us"] for step in full) / 1e3, statistics.fmean(pauses)


@dataclass
class Stream:
    """One completion: counts events as their bytes come, and keeps nothing else."""

    connection: socket.socket
    events: int = 0
    whole: bool = False  # it had as many tokens as were asked for
    head: bytes = b""  # of an answer without events: why it was refused
    tail: bytes = b""  # of the last read: an event's first bytes may be split
    heard: float = 0.0  # seconds of perf_counter, of the latest event
    gaps: list[float] = field(default_factory=list)  # milliseconds between reads with events

    def read(self) -> bool:
        """False when the answer is whole."""
        data = self.connection.recv(1 << 16)
        text = self.tail + data
        if not self.events:
            self.head = (self.head + data)[:HEAD_BYTES_MAX]
        events = text.count(EVENT) - self.tail.count(EVENT)
        if events:
            self.hear(events)
        self.whole |= WHOLE in text
        self.tail = text[-(len(WHOLE) - 1) :]
        return bool(data) and b"[DONE]" not in text

    def hear(self, events: int) -> None:
        now = time.perf_counter()
        if self.events:
            self.gaps.append(1e3 * (now - self.heard))
        self.events += events
        self.heard = now


def open_stream(port: int, body: dict) -> Stream:
    payload = json.dumps(body).encode()
    head = (
        "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(head.encode() + payload)
    connection.setblocking(False)
    return Stream(connection)


@dataclass
class Figures:
    tokens_per_s: float
    client_cpu: float  # cores
    node_cpu: dict[str, float]  # cores, by process
    gap_ms: float  # 99th percentile of the time between what a stream hears


def run_streams(node: Node, arguments: argparse.Namespace) -> Figures:
    bodies = [
        {
            "model": "", "prompt": random.choices(range(1000, 30000), k=arguments.prompt),
            "max_tokens": arguments.generate, "temperature": 0, "ignore_eos": True, "stream": True,
        }
        for _ in range(arguments.streams)
    ]  # fmt: skip
    streams = [open_stream(node.port, {**body, "model": arguments.alias}) for body in bodies]
    selector = selectors.DefaultSelector()
    for stream in streams:
        selector.register(stream.connection, selectors.EVENT_READ, stream)
    window = None
    ended = None
    while selector.get_map():
        for key, _ in selector.select():
            if key.data.read():
                continue
            if ended is None:
                ended = marks(node, streams)
            selector.unregister(key.data.connection)
            key.data.connection.close()
        if window is None and min(stream.events for stream in streams) > 0:
            window = marks(node, streams)
    if window is None or not all(stream.whole for stream in streams):
        early = next(stream for stream in streams if not stream.whole)
        said = early.head.partition(b"\r\n\r\n")[2].decode(errors="replace")
        raise SystemExit(f"http_streams: a stream ended after {early.events} events: {said}")
    return figures(window, ended, streams, arguments)


def marks(node: Node, streams: list[Stream]) -> tuple:
    events = sum(stream.events for stream in streams)
    return time.perf_counter(), events, time.process_time(), node.cpu_by_process()


def figures(begin: tuple, end: tuple, streams: list[Stream], arguments) -> Figures:
    """Two tokens may share an event, where one alone is no whole character: hence the factor."""
    seconds = end[0] - begin[0]
    gaps = [gap for stream in streams for gap in stream.gaps]
    tokens_per_event = arguments.streams * arguments.generate / sum(s.events for s in streams)
    return Figures(
        tokens_per_s=(end[1] - begin[1]) * tokens_per_event / seconds,
        client_cpu=(end[2] - begin[2]) / seconds,
        node_cpu={name: (end[3][name] - used) / seconds for name, used in begin[3].items()},
        gap_ms=statistics.quantiles(gaps, n=100)[-1] if len(gaps) > 1 else math.nan,
    )


def node_parser(description: str, streams: int, of_streams: str) -> argparse.ArgumentParser:
    """With the arguments that a Node and its streams need."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    add = parser.add_argument
    add("--model", type=Path, required=True, help="GGUF file")
    add("--troupe", type=program, default="build/release/apps/troupe", help="the binary")
    add("--precision", default="default")
    add("--threads", type=count, default=2)
    add("--streams", type=count, default=streams, help=of_streams)
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    arguments = parser.parse_args()
    arguments.alias = arguments.model.stem
    return arguments


def parse_arguments() -> argparse.Namespace:
    parser = node_parser(__doc__, 16, "that decode side by side")
    add = parser.add_argument
    add("--prompt", type=count, default=128, help="tokens of each prompt")
    add("--generate", type=count, default=256, help="tokens of each answer")
    add("--rounds", type=count, default=5)
    add("--least", type=float, default=0.0, help="exit 1 when the ratio of medians is below")
    add("--json", action="store_true")
    for_threads = "for each of its threads, as 'chrt -b -p 0'"
    add("--on-front", metavar="COMMAND", type=command, help=for_threads)
    return parse(parser)


def main() -> int:
    arguments = parse_arguments()
    plan = Plan(arguments.model, Path(), arguments.threads, arguments.streams, 0)
    bare = Troupe(arguments.troupe, arguments.precision, plan)
    task = Task("decode", arguments.streams, arguments.prompt, arguments.generate)
    rounds = []
    with tempfile.TemporaryDirectory(prefix="troupe-") as folder:
        node = Node(arguments, Path(folder))
        try:
            node.wait_until_ready()
            if arguments.on_front:
                treat_front(node, arguments.on_front)
            run_streams(node, arguments)  # threads awake, memory touched
            for number in range(1, arguments.rounds + 1):
                rounds.append((bare.run(task).tokens_per_s, run_streams(node, arguments)))
                print(f"round {number}: {line(*rounds[-1])}", file=sys.stderr, flush=True)
        finally:
            node.stop()
        step, pause = step_and_pause(Path(folder) / "logs" / "performance.log", arguments.streams)
    engine = statistics.median(rate for rate, _ in rounds)
    served = statistics.median(figures.tokens_per_s for _, figures in rounds)
    ratio = served / engine
    if arguments.json:
        said = [{"engine": rate, **vars(figures)} for rate, figures in rounds]
        medians = {"engine": engine, "http": served, "ratio": ratio}
        print(json.dumps({**medians, "step_ms": step, "pause_ms": pause, "rounds": said}))
    else:
        print(f"engine {engine:.1f}, HTTP {served:.1f} tokens/s: {100 * ratio:.1f} % remain")
        print(f"a step of all streams took {step:.1f} ms, and {pause:.2f} passed between two")
    return 0 if ratio >= arguments.least else 1


def line(engine: float, http: Figures) -> str:
    node = ", ".join(f"{name} {cores:.2f}" for name, cores in http.node_cpu.items())
    return (
        f"engine {engine:.1f}, HTTP {http.tokens_per_s:.1f} tokens/s, "
        f"{http.gap_ms:.0f} ms between tokens at the 99th percentile; "
        f"cores used: client {http.client_cpu:.2f}, {node}"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as refusal:
        sys.exit(f"http_streams: {refusal}")
