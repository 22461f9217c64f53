"""What a comparison leaves behind: a table in Markdown, everything in JSON, and a plot."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from engines import Sample
from peers.peer import Task

BEGIN = "<!-- compare:begin: written by bench/compare.sh --refresh -->"
END = "<!-- compare:end -->"


def int8_tops(calibration: dict) -> float | None:
    """What the CPU's fastest int8 products gave: tiles, or else its widest vectors."""
    keys = ("amx_int8_tops", "avx512_int8_tops", "avx_vnni_int8_tops", "avx2_int8_tops")
    return next((calibration[key] for key in keys if calibration.get(key) is not None), None)


def median_of(values: Iterable[float | None]) -> float | None:
    """Of those that there are."""
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None


@dataclass
class Row:
    """One contender at one task of one model, over all rounds."""

    model: str
    task: Task
    contender: str
    samples: list[Sample] = field(default_factory=list)
    calibrations: list[dict] = field(default_factory=list)  # of the same rounds
    kv: str = ""
    left_out: str = ""  # why there are no samples

    @property
    def median(self) -> float:
        return statistics.median(sample.tokens_per_s for sample in self.samples)

    @property
    def is_ours(self) -> bool:
        return self.contender.startswith("troupe")

    @property
    def packed_read_share(self) -> float | None:
        return median_of(sample.packed_read_share for sample in self.samples)

    def to_json(self) -> dict:
        rates = [sample.tokens_per_s for sample in self.samples]
        return {
            "model": self.model, "kind": self.task.kind, "streams": self.task.streams,
            "prompt": self.task.prompt, "generate": self.task.generate,
            "contender": self.contender, "kv": self.kv, "left_out": self.left_out or None,
            "median_tokens_per_s": self.median if rates else None, "tokens_per_s": rates,
            "peak_rss_bytes": max((s.peak_rss_bytes for s in self.samples), default=None),
            "packed_read_share": self.packed_read_share, "calibrations": self.calibrations,
        }  # fmt: skip


def best_peer(rows: list[Row], row: Row) -> Row | None:
    """The fastest peer at the same task of the same model."""
    peers = [
        other
        for other in rows
        if (other.model, other.task) == (row.model, row.task)
        and not other.is_ours
        and other.samples
    ]
    return max(peers, key=lambda peer: peer.median, default=None)


def ratio(rows: list[Row], row: Row) -> float | None:
    """Our median over the best peer's."""
    peer = best_peer(rows, row) if row.is_ours and row.samples else None
    return row.median / peer.median if peer else None


def task_name(task: Task) -> str:
    if task.kind == "prefill":
        return f"prefill {task.prompt}"
    return f"decode {task.streams} × ({task.prompt} + {task.generate})"


def number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def table_line(rows: list[Row], row: Row) -> str:
    cells = [task_name(row.task), row.contender]
    if row.samples:
        rates = [sample.tokens_per_s for sample in row.samples]
        cells += [number(row.median), f"{number(min(rates))} – {number(max(rates))}"]
    else:
        cells += ["left out", row.left_out.replace("|", "/") or "not measured yet"]
    memory = max((sample.peak_rss_bytes for sample in row.samples), default=None)
    quotient = ratio(rows, row)
    peer = best_peer(rows, row)
    share = row.packed_read_share
    cells += [
        "" if quotient is None else f"{quotient:.2f}× {peer.contender}",
        "" if share is None else f"{100 * share:.0f} %",
        row.kv,
        number(memory and memory / 2**20, 0),
        number(median_of(map(int8_tops, row.calibrations)), 2),
        number(median_of(c["memory_read_gb_per_s"] for c in row.calibrations)),
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| task | engine | median tokens/s | min – max | to the best peer | of a packed read | KV "
    "| peak RSS, MiB | int8 TOPS | read GB/s |\n|---|---|---:|---:|---:|---:|---|---:|---:|---:|"
)


def markdown(rows: list[Row], facts: dict) -> str:
    lines = [
        f"{facts['rounds']} interleaved rounds, {facts['threads']} threads, {facts['cpu']}, "
        f"{facts['when']}. Ratios are of medians. int8 TOPS and read GB/s are what the machine "
        "gave in the same rounds."
    ]
    for model in dict.fromkeys(row.model for row in rows):
        lines += ["", f"### {model}", "", HEAD]
        lines += [table_line(rows, row) for row in rows if row.model == model]
    return "\n".join(lines) + "\n"


def refresh(document: Path, text: str) -> None:
    """Replaces what lies between the two markers of a document."""
    old = document.read_text(encoding="utf-8")
    if BEGIN not in old or END not in old:
        raise SystemExit(f"compare: {document} lacks the lines '{BEGIN}' and '{END}'")
    head, tail = old.split(BEGIN)[0], old.split(END)[1]
    document.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8")


def plot(rows: list[Row], path: Path) -> None:
    """Bars for each model and task, with the spread of the rounds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    models = list(dict.fromkeys(row.model for row in rows))
    tasks = list(dict.fromkeys(row.task for row in rows))
    names = list(dict.fromkeys(row.contender for row in rows))
    colours = {name: f"C{i}" for i, name in enumerate(names)}
    figure, axes = pyplot.subplots(
        len(models), len(tasks), figsize=(3.2 * len(tasks), 3 * len(models)), squeeze=False
    )
    for (model, task), axis in zip(((m, t) for m in models for t in tasks), axes.flat):
        there = [r for r in rows if (r.model, r.task) == (model, task) and r.samples]
        for place, row in enumerate(there):
            rates = [sample.tokens_per_s for sample in row.samples]
            spread = [[row.median - min(rates)], [max(rates) - row.median]]
            axis.bar(place, row.median, color=colours[row.contender], yerr=spread, capsize=3)
        axis.set_xticks(range(len(there)), [r.contender for r in there], rotation=30, ha="right")
        axis.set_title(f"{model.split('-Instruct')[0]}\n{task_name(task)}", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.set_ylabel("tokens/s", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
