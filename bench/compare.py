#!/usr/bin/env python3
"""Troupe's modes and its peers in turns on the same weights, each alone while it is measured.

A shared machine changes its speed twofold between minutes, so every round runs every contender,
each round begins with another one, and the AMX and memory speed of the same minute stand beside
the figures. bench/compare.sh sets up the peers and calls this.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH))

import report  # noqa: E402
import scaling  # noqa: E402
from arguments import count, counts, existing_file, program  # noqa: E402
from engines import Peer, Plan, Troupe, Unavailable  # noqa: E402
from peers.peer import Task  # noqa: E402

MODES = ["default", "exact", "q4"]
STREAMS = [1, 8, 32]


def say(text: str) -> None:
    print(f"compare: {text}", file=sys.stderr, flush=True)


def tasks_of(arguments: argparse.Namespace) -> list[Task]:
    decodes = [Task("decode", n, arguments.prompt, arguments.generate) for n in arguments.streams]
    return [Task("prefill", 1, arguments.prefill, 0), *decodes]


def plan_for(arguments: argparse.Namespace, model: Path) -> Plan:
    tasks = tasks_of(arguments)
    return Plan(
        model=model,
        cache=arguments.cache,
        threads=arguments.threads,
        streams_max=max(task.streams for task in tasks),
        context_max=max(task.prompt + task.generate for task in tasks) + 32,
    )


def contenders_for(arguments: argparse.Namespace, plan: Plan) -> list[Troupe | Peer]:
    ours = [Troupe(arguments.troupe, mode, plan) for mode in arguments.modes]
    peers = [Peer(name, python, plan, arguments.folder) for name, python in arguments.peer]
    return [*ours, *peers]


def started(contenders: list, rows: list[report.Row]) -> list:
    """Those that could be loaded. The rows of the others say why not."""
    there = []
    for contender in contenders:
        say(f"loading {contender.name}")
        try:
            contender.start()
            there.append(contender)
        except Unavailable as reason:
            leave_out([row for row in rows if row.contender == contender.name], str(reason))
    return there


def leave_out(rows: list[report.Row], reason: str) -> None:
    say(f"{rows[0].contender} is left out: {reason}")
    for row in rows:
        row.left_out = reason


def run_round(number: int, contenders: list, task: Task, rows: list[report.Row]) -> None:
    """One sample of each contender at one task, with the calibrations that Troupe brought."""
    first = number % len(contenders)
    calibrations = []
    measured = []
    for contender in contenders[first:] + contenders[:first]:
        row = next(r for r in rows if (r.task, r.contender) == (task, contender.name))
        if row.left_out:
            continue
        try:
            sample = contender.run(task)
        except Unavailable as reason:
            leave_out([row], str(reason))
            continue
        row.samples.append(sample)
        row.kv = contender.about["kv"]
        measured.append(row)
        if sample.calibration is not None:
            calibrations.append(sample.calibration)
    for row in measured:
        row.calibrations += calibrations
    figures = ", ".join(f"{r.contender} {r.samples[-1].tokens_per_s:.1f}" for r in measured)
    place = "warm-up" if number < 0 else f"round {number + 1}"
    say(f"{place}, {report.task_name(task)}: {figures}")


@dataclass
class Comparison:
    """All rows so far, and what the engines said of themselves."""

    arguments: argparse.Namespace
    rows: list[report.Row] = field(default_factory=list)
    engines: list[dict] = field(default_factory=list)

    def add_model(self, model: Path) -> None:
        say(f"model {model.name}")
        contenders = contenders_for(self.arguments, plan_for(self.arguments, model))
        tasks = tasks_of(self.arguments)
        rows = [report.Row(model.stem, task, c.name) for task in tasks for c in contenders]
        self.rows += rows
        with contextlib.ExitStack() as stack:
            for contender in contenders:
                stack.callback(contender.stop)
            there = started(contenders, rows)
            if not there:
                raise SystemExit("compare: no contender could be loaded")
            for task in tasks:  # threads awake, weights in memory, code compiled
                run_round(-1, there, task, rows)
            self.engines += [{"model": model.stem, **contender.about} for contender in there]
            for row in rows:
                row.samples.clear()
                row.calibrations.clear()
            for number in range(self.arguments.rounds):
                for task in tasks:
                    run_round(number, there, task, rows)
                self.save()

    def facts(self) -> dict:
        machine = next((e["machine"] for e in self.engines if "machine" in e), {})
        return {
            "rounds": max(len(row.samples) for row in self.rows),
            "threads": self.arguments.threads,
            "cpu": machine.get("cpu", "unknown CPU"),
            "when": datetime.datetime.now(datetime.UTC).date().isoformat(),
        }

    def save(self) -> None:
        """After every round, so that an interrupted comparison leaves what it has."""
        folder = self.arguments.folder
        facts = self.facts()
        rows = [row.to_json() | {"ratio": report.ratio(self.rows, row)} for row in self.rows]
        said = {"schema_version": 1, **facts, "engines": self.engines, "rows": rows}
        (folder / "compare.json").write_text(json.dumps(said, indent=1) + "\n")
        table = report.markdown(self.rows, facts)
        (folder / "compare.md").write_text(table, encoding="utf-8")

    def finish(self) -> None:
        table = (self.arguments.folder / "compare.md").read_text(encoding="utf-8")
        if not self.arguments.no_plot:
            report.plot(self.rows, self.arguments.folder / "compare.png")
        if self.arguments.refresh:
            report.refresh(self.arguments.refresh, table)
        print(table)


def compare(arguments: argparse.Namespace) -> None:
    comparison = Comparison(arguments)
    for model in arguments.model:
        comparison.add_model(model)
    comparison.finish()


def peer_option(text: str) -> tuple[str, str]:
    name, equals, python = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=PYTHON, not {text!r}")
    return name, python


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="bench/compare.sh")
    add = parser.add_argument
    add("folder", type=Path, help="where the table, the JSON, the plot and the peers' logs go")
    add("--model", type=Path, action="append", help="GGUF, again for another; default: models/")
    add("--rounds", type=count, default=5)
    add("--threads", type=count, default=2)
    add("--modes", type=lambda text: text.split(","), default=MODES, help="Troupe's precisions")
    add("--streams", type=counts, default=STREAMS, help="of decoding, separated by commas")
    add("--prefill", type=count, default=512, help="tokens of the prompt whose prefill is timed")
    add("--prompt", type=count, default=128, help="tokens of each stream before decoding")
    add("--generate", type=count, default=64, help="decode steps that are timed")
    add("--troupe", type=program, default="build/release/apps/troupe", help="the binary")
    add("--peer", type=peer_option, action="append", default=[], help="NAME=PYTHON of bench/peers")
    add("--cache", type=Path, default=Path("build/peers/models"), help="for converted weights")
    add("--refresh", type=existing_file, help="a document whose table is to be replaced")
    add("--no-plot", action="store_true", help="where matplotlib is missing")
    scaling.add_options(parser)
    arguments = parser.parse_args()
    arguments.model = arguments.model or sorted(Path("models").glob("*.gguf"))
    if not arguments.model:
        parser.error("no model: run scripts/fetch_model.sh or name one with --model")
    return arguments


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # peers end with the stack
    arguments = parse_arguments()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    if arguments.scaling:
        scaling.run(arguments)
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
