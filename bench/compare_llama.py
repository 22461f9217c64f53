#!/usr/bin/env python3
"""Decode speed of `troupe generate` beside llama.cpp's: the same file, the same minutes.

Runs both in turns, each round in processes of their own, greedy, one stream, and prints tokens per
second of every round, the medians and their ratio. A shared machine may change its speed twofold
between minutes, so only figures of one run may be compared.

llama.cpp is the package llama-cpp-python in the Python that --llama-python names. Exit code 1 when
the ratio is below --least.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

PROMPT = (
    "Write a long and detailed story about a lighthouse keeper who finds a map in an old bottle, "
    "and tell what happens to the village when the keeper leaves."
)

# Runs in the other Python. Tokens are counted from the first one, so that the prompt is left out.
LLAMA_PROGRAM = """
import json, sys, time
from llama_cpp import Llama

model, prompt, tokens, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
llama = Llama(
    model_path=model, n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False
)
stream = llama.generate(
    llama.tokenize(prompt.encode(), add_bos=False), temp=0.0, top_k=1, repeat_penalty=1.0
)
next(stream)
start = time.perf_counter()
for _ in range(tokens - 1):
    next(stream)
print(json.dumps({"decode_tokens_per_s": (tokens - 1) / (time.perf_counter() - start)}))
"""


def run(command: list[str]) -> float:
    """Tokens per second of the last JSON line that the command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        name = Path(command[0]).name
        said = done.stderr.strip()[-500:]
        sys.exit(f"compare_llama: {name} ended with {done.returncode}: {said}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return said.get("timings", said)["decode_tokens_per_s"]


def troupe_command(arguments: argparse.Namespace) -> list[str]:
    return [
        arguments.troupe, "generate", "--json", "--ignore-eos",
        "--model", arguments.model, "--prompt", PROMPT,
        "--max-tokens", str(arguments.tokens), "--threads", str(arguments.threads),
    ]  # fmt: skip


def llama_command(arguments: argparse.Namespace) -> list[str]:
    return [
        arguments.llama_python, "-c", LLAMA_PROGRAM,
        arguments.model, PROMPT, str(arguments.tokens), str(arguments.threads),
    ]  # fmt: skip


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--troupe", default="build/release/apps/troupe", help="the binary")
    parser.add_argument("--llama-python", default=sys.executable, help="Python with llama_cpp")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=128, help="of each answer, at least 2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--least", type=float, default=0.0, help="ratio below which this fails")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.tokens < 2 or arguments.threads < 1:
        parser.error("--rounds and --threads must be at least 1, --tokens at least 2")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    commands = {"troupe": troupe_command(arguments), "llama.cpp": llama_command(arguments)}
    for command in commands.values():  # weights into memory, before anything counts
        run(command)
    rates: dict[str, list[float]] = {name: [] for name in commands}
    for round_number in range(1, arguments.rounds + 1):
        for name, command in commands.items():
            rates[name].append(run(command))
        figures = ", ".join(f"{name} {values[-1]:.1f}" for name, values in rates.items())
        print(f"round {round_number}: {figures} tokens/s", file=sys.stderr, flush=True)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratio = medians["troupe"] / medians["llama.cpp"]
    if arguments.json:
        print(json.dumps({"rates": rates, "medians": medians, "ratio": ratio}))
    else:
        for name, median in medians.items():
            print(f"{name}: median {median:.1f} tokens/s of {arguments.rounds} rounds")
        print(f"ratio: {ratio:.2f}")
    return 0 if ratio >= arguments.least else 1


if __name__ == "__main__":
    sys.exit(main())
