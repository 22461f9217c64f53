"""The contenders of a comparison: Troupe in one of its modes, and peers in processes that stay."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH))

from peers.peer import Task  # noqa: E402

# vLLM compiles for minutes when it loads for the first time, as Troupe packs; tasks take seconds.
LOAD_SECONDS_MAX = 1800
TASK_SECONDS_MAX = 600


class Unavailable(Exception):
    """This contender cannot do what was asked. The text is one line for the report."""


@dataclass(frozen=True)
class Plan:
    """What every contender gets to know beforehand."""

    model: Path
    cache: Path  # for converted weights
    threads: int
    streams_max: int
    context_max: int


@dataclass
class Sample:
    tokens_per_s: float
    peak_rss_bytes: int
    calibration: dict | None = None  # what the machine gave just then, where it was measured
    packed_read_share: float | None = None  # of one stream: reading its weights alone / a step


def last_line(text: str, fallback: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][-300:] if lines else fallback


@dataclass
class Troupe:
    """`troupe bench`, a process for each sample: it starts in milliseconds from packed weights."""

    binary: str
    precision: str
    plan: Plan
    about: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"troupe {self.precision}"

    def command(self, task: Task) -> list[str]:
        return [
            self.binary, "bench", "--json", "--repeat", "1",
            "--model", str(self.plan.model), "--precision", self.precision,
            "--threads", str(self.plan.threads), "--batch", str(task.streams),
            "--prompt", str(task.prompt), "--generate", str(max(1, task.generate)),
        ]  # fmt: skip

    def result(self, task: Task) -> dict:
        """What `troupe bench` says about the task's batch, prefill and decode together."""
        said = json_of(self.command(task))
        result = said["results"][0]
        self.about = {
            "name": self.name, "kv": result["kv"], "weights": "GGUF",
            "numerics_id": said["numerics_id"], "machine": said["machine"],
        }  # fmt: skip
        return result

    def run(self, task: Task) -> Sample:
        result = self.result(task)
        rate = result[f"{task.kind}_tokens_per_s"]
        share = result.get("packed_read_share") if task.kind == "decode" else None
        return Sample(rate, result["peak_rss_bytes"], result["calibration"], share)

    def start(self) -> None:
        """One short run: packs the weights if need be and proves that the mode is there."""
        self.run(Task("decode", 1, 16, 2))

    def stop(self) -> None:
        pass


def json_of(command: list[str]) -> dict:
    """The object that a command prints."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=LOAD_SECONDS_MAX
    )
    if done.returncode != 0:
        raise Unavailable(last_line(done.stderr, f"ended with {done.returncode}"))
    return json.loads(done.stdout)


def python_path() -> str:
    """Where peers are found. `peers` has no __init__.py: another folder may hold some as well."""
    return os.pathsep.join(filter(None, [str(BENCH), os.environ.get("PYTHONPATH")]))


class Peer:
    """A program of bench/peers, loaded once; stopped with SIGSTOP while others are measured."""

    def __init__(self, name: str, python: str, plan: Plan, log_folder: Path) -> None:
        self.name = name.replace("llama_cpp", "llama.cpp")
        self.about: dict = {}
        self.log_path = log_folder / f"{name}.log"
        self.command = [
            python, "-P", "-m", f"peers.{name}", "--model", str(plan.model),
            "--cache", str(plan.cache), "--threads", str(plan.threads),
            "--streams-max", str(plan.streams_max), "--context-max", str(plan.context_max),
        ]  # fmt: skip
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with self.log_path.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": python_path()},
            )
        self.about = self.read_line(LOAD_SECONDS_MAX)["ready"]
        self.pause()

    def run(self, task: Task) -> Sample:
        if self.process is None:
            raise Unavailable("ended before")
        self.signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(asdict(task)) + "\n")
            self.process.stdin.flush()
        except OSError:
            self.fail("ended")
        answer = self.read_line(TASK_SECONDS_MAX)
        self.pause()
        if "error" in answer:
            raise Unavailable(answer["error"])
        return Sample(answer["tokens_per_s"], answer["peak_rss_bytes"])

    def read_line(self, seconds_max: float) -> dict:
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(seconds_max):
                self.fail(f"said nothing for {seconds_max} s")
        line = self.process.stdout.readline()
        if not line:
            self.fail("ended")
        return json.loads(line)

    def fail(self, what: str) -> None:
        self.stop()
        said = last_line(self.log_path.read_text(errors="replace"), "it printed nothing")
        raise Unavailable(f"{what}: {said}")

    def pause(self) -> None:
        """Threads of some engines spin for a while after work: that would disturb the next one."""
        self.signal(signal.SIGSTOP)

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def stop(self) -> None:
        if self.process is None:
            return
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.process = None
