#!/usr/bin/env python3
"""How many of 200 greedy answers begin as they do in FP32, for each mode.

Starts `troupe serve` once for each mode on a free port, asks the same 200 questions with
temperature 0 and 16 tokens, and compares the texts with those of `--precision fp32`. KL says how
far distributions lie apart on average; this says how often somebody would see it. Prints a Markdown
table; `--json` prints the counts. Nothing here depends on speed: the same answer is given in any
company.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUESTIONS = [
    "What is the capital of {}?",
    "Name one famous river in {}.",
    "Which languages are spoken in {}?",
    "Write one sentence about the food of {}.",
    "What is a good month to visit {}?",
]
COUNTRIES = [
    "France", "Japan", "Brazil", "Kenya", "Canada", "India", "Norway", "Egypt", "Peru", "Greece",
]  # fmt: skip
TASKS = [
    "Explain {} to a child.",
    "Write a Python function about {}.",
    "Give three facts about {}.",
    "Write the first line of a story about {}.",
    "Why is {} important?",
]
THINGS = [
    "gravity", "prime numbers", "a lighthouse", "sorting a list", "rain", "the moon", "recursion",
    "honey bees", "fractions", "a train journey", "volcanoes", "reading files", "the heart",
    "chess", "compound interest", "an old clock", "magnets", "binary search", "migrating birds",
    "sleep", "the alphabet", "a broken robot", "electricity", "dates and times", "friendship",
    "the ocean", "string formatting", "snow", "music", "a hidden door",
]  # fmt: skip
PROMPTS = [q.format(c) for q in QUESTIONS for c in COUNTRIES] + [
    t.format(thing) for t in TASKS for thing in THINGS
]
TOKENS = 16
CONCURRENT = 16
START_S = 600  # a first start packs the weights
MODES = {
    "default": ["--precision", "default"],
    "default, kv int8": ["--precision", "default", "--kv", "int8"],
    "exact": ["--precision", "exact"],
    "q4": ["--precision", "q4"],
}


class Node:
    """A node of its own in a folder that goes with it."""

    def __init__(self, troupe: str, model: str, flags: list[str]):
        self.folder = tempfile.TemporaryDirectory()
        root = Path(self.folder.name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = root / "troupe.toml"
        config.write_text('[node]\nstate = "state"\nlogs = "logs"\n')
        command = [troupe, "serve", "--config", str(config), "--model", model, *flags]
        command += ["--alias", "model", "--http", f"127.0.0.1:{self.port}"]
        command += ["--zmq", f"ipc://{root}/clients.ipc"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                said = self.process.stderr.read().decode().strip()
                sys.exit(f"greedy_agreement: the node ended with {self.process.returncode}: {said}")
            try:
                if self.call("GET", "/health/ready")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        sys.exit(f"greedy_agreement: the node was not ready after {START_S} s")

    def call(self, method: str, path: str, body: dict | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_S)
        try:
            connection.request(method, path, json.dumps(body) if body else None)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def answer(self, prompt: str) -> str:
        body = {
            "model": "model",
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": TOKENS,
        }
        status, said = self.call("POST", "/v1/chat/completions", body)
        if status != 200:
            sys.exit(f"greedy_agreement: {status} for {prompt!r}: {said.decode()}")
        return json.loads(said)["choices"][0]["message"]["content"]

    def answers(self) -> list[str]:
        with concurrent.futures.ThreadPoolExecutor(CONCURRENT) as pool:
            return list(pool.map(self.answer, PROMPTS))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def answers_of(troupe: str, model: str, flags: list[str]) -> list[str]:
    node = Node(troupe, model, flags)
    try:
        return node.answers()
    finally:
        node.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, nargs="+", help="GGUF files")
    parser.add_argument("--troupe", default="build/release/apps/troupe", help="the binary")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    counts: dict[str, dict[str, int]] = {}
    for model in arguments.model:
        expected = answers_of(arguments.troupe, model, ["--precision", "fp32"])
        of_model = counts.setdefault(Path(model).stem, {})
        for mode, flags in MODES.items():
            found = answers_of(arguments.troupe, model, flags)
            of_model[mode] = sum(a == b for a, b in zip(found, expected, strict=True))
    if arguments.json:
        print(json.dumps({"prompts": len(PROMPTS), "tokens": TOKENS, "same": counts}))
        return 0
    print(f"| of {len(PROMPTS)} answers, {TOKENS} tokens as in FP32 | " + " | ".join(MODES) + " |")
    print("|---|" + "---|" * len(MODES))
    for model, of_model in counts.items():
        print(f"| {model} | " + " | ".join(str(of_model[mode]) for mode in MODES) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
