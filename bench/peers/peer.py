"""The harness's side of a peer: one engine in a process of its own, driven by lines of JSON.

The engine is loaded once and stays. Standard input brings one task a line, standard output answers
each with one line:

    {"kind": "prefill", "streams": 1, "prompt": 512, "generate": 0}
    {"kind": "decode", "streams": 8, "prompt": 128, "generate": 64}
    → {"tokens_per_s": 123.4, "peak_rss_bytes": 567}  or  {"error": "why"}

The first line out is {"ready": {…}}: the engine's version, the type of its KV cache and whatever
else a reader of the figures must know.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from typing import Callable, Protocol


@dataclass(frozen=True)
class Task:
    kind: str  # prefill: time of the prompts alone; decode: of the steps behind them
    streams: int
    prompt: int  # tokens of each stream
    generate: int  # decode steps that are timed


class Engine(Protocol):
    def about(self) -> dict: ...

    def run(self, task: Task) -> float:
        """Tokens per second, all streams together."""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--cache", required=True, help="folder for converted weights")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--streams-max", type=int, required=True)
    parser.add_argument("--context-max", type=int, required=True, help="tokens of one stream")
    return parser.parse_args()


def random_prompts(task: Task, vocab: int) -> list[list[int]]:
    """New tokens each time, so that no cache of prefixes helps. Ids below 1,000 may be special."""
    return [random.choices(range(1000, vocab), k=task.prompt) for _ in range(task.streams)]


def rate_of_steps(task: Task, step: Callable[[], list[int]]) -> float:
    """For engines with a step function, which returns how many tokens each stream has.

    A prefill lasts until every stream has its first token. Decoding is timed from there until every
    stream has its last one, and only the tokens of that time count.
    """
    start = time.perf_counter()
    counts = step()
    while len(counts) < task.streams or min(counts) < 1:
        counts = step()
    first = time.perf_counter()
    before = sum(counts)
    while min(counts) < task.generate + 1:
        counts = step()
    if task.kind == "prefill":
        return task.streams * task.prompt / (first - start)
    return (sum(counts) - before) / (time.perf_counter() - first)


def own_standard_output():
    """What libraries print goes to standard error; the returned stream is the harness's alone."""
    stream = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    # Line by line, so that what is printed stands before an error that ends the process.
    sys.stdout.reconfigure(line_buffering=True)
    return stream


def peak_rss_bytes() -> int:
    """VmHWM: what getrusage says would include the process that started this one."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def end_with_parent() -> None:
    """A stopped peer would outlive a harness that was killed.
    https://man7.org/linux/man-pages/man2/pr_set_pdeathsig.2const.html"""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def serve(make_engine: Callable[[argparse.Namespace], Engine]) -> None:
    """Loads the engine and answers tasks until standard input ends."""
    arguments = parse_arguments()
    end_with_parent()
    out = own_standard_output()
    engine = make_engine(arguments)
    print(json.dumps({"ready": engine.about()}), file=out)
    for line in sys.stdin:
        try:
            rate = engine.run(Task(**json.loads(line)))
            answer = {"tokens_per_s": rate, "peak_rss_bytes": peak_rss_bytes()}
        except Exception as error:  # noqa: BLE001: the harness reports whatever it was
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=out)
    os._exit(0)  # engines with threads of their own sometimes hang at the end
