"""How Troupe's speed and memory grow: threads, streams and context of both models.

Each cell is one run of `troupe bench` whose context ends at the stated size: the prompt is as long
as the context less the generated tokens. Cells with more tokens in all streams together than a
limit are not run: their prompts would take minutes each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from arguments import count, counts
from engines import Plan, Troupe, Unavailable
from peers.peer import Task
from report import int8_tops, median_of, number

STREAMS = [1, 2, 4, 8, 16, 32, 64]
CONTEXTS = [128, 512, 2048, 8192]
THREADS = [1, 2]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--scaling", action="store_true", help="Troupe alone, over threads, streams, context")
    add("--scaling-mode", default="default", help="its precision")
    add("--scaling-tokens-max", type=count, default=65536, help="streams × context of a cell")
    add("--scaling-contexts", type=contexts, default=CONTEXTS)
    add("--scaling-streams", type=counts, default=STREAMS)
    add("--scaling-threads", type=counts, default=THREADS)


def contexts(text: str) -> list[int]:
    """Each of a prompt of a token at least, of one that is generated, and of the next one."""
    sizes = counts(text)
    if min(sizes) < 3:
        raise argparse.ArgumentTypeError("a context has at least 3 tokens")
    return sizes


def cells(arguments: argparse.Namespace) -> list[tuple[Path, int, int, int]]:
    """(model, threads, streams, context)"""
    return [
        (model, threads, streams, context)
        for model in arguments.model
        for threads in arguments.scaling_threads
        for context in arguments.scaling_contexts
        for streams in arguments.scaling_streams
        if streams * context <= arguments.scaling_tokens_max
    ]


def measure(arguments: argparse.Namespace, cell: tuple[Path, int, int, int]) -> dict:
    model, threads, streams, context = cell
    generate = min(arguments.generate, context // 2)
    plan = Plan(model, arguments.cache, threads, streams, context)
    troupe = Troupe(arguments.troupe, arguments.scaling_mode, plan)
    task = Task("decode", streams, context - generate - 1, generate)
    row = {"model": model.stem, "threads": threads, "streams": streams, "context": context}
    try:
        results = [troupe.result(task) for _ in range(arguments.rounds)]
    except Unavailable as reason:
        return row | {"left_out": str(reason)}
    return row | {
        "kv": results[0]["kv"],
        "prefill_tokens_per_s": statistics.median(r["prefill_tokens_per_s"] for r in results),
        "decode_tokens_per_s": statistics.median(r["decode_tokens_per_s"] for r in results),
        "peak_rss_bytes": max(r["peak_rss_bytes"] for r in results),
        "calibrations": [r["calibration"] for r in results],
    }


def table_line(row: dict) -> str:
    shape = f"| {row['threads']} | {row['context']} | {row['streams']} |"
    if "left_out" in row:
        return f"{shape} left out | {row['left_out'].replace('|', '/')} | | | |"
    calibrations = row["calibrations"]
    return (
        f"{shape} {number(row['prefill_tokens_per_s'])} | {number(row['decode_tokens_per_s'])} "
        f"| {number(row['peak_rss_bytes'] / 2**20, 0)} "
        f"| {number(median_of(map(int8_tops, calibrations)), 2)} "
        f"| {number(median_of(c['memory_read_gb_per_s'] for c in calibrations))} |"
    )


HEAD = (
    "| threads | context | streams | prefill tokens/s | decode tokens/s | peak RSS, MiB "
    "| int8 TOPS | read GB/s |\n|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def markdown(rows: list[dict]) -> str:
    lines = []
    for model in dict.fromkeys(row["model"] for row in rows):
        lines += [f"### {model}", "", HEAD]
        lines += [table_line(row) for row in rows if row["model"] == model] + [""]
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> None:
    rows = []
    for cell in cells(arguments):
        rows.append(measure(arguments, cell))
        print(f"scaling: {cell[0].stem} {table_line(rows[-1])}", file=sys.stderr, flush=True)
    text = json.dumps({"schema_version": 1, "mode": arguments.scaling_mode, "rows": rows}, indent=1)
    (arguments.folder / "scaling.json").write_text(text + "\n")
    (arguments.folder / "scaling.md").write_text(markdown(rows), encoding="utf-8")
    print(markdown(rows))
