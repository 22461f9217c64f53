"""Kills and hinders the processes of a real node under load, from outside and from within, by a
seed, and compares every answer with an undisturbed run's. scripts/chaos.sh starts it.

The last line is JSON. The exit code is 0 only when no answer was lost, repeated or different, the
counters balance, nothing is left behind, and under --stress nothing was restarted; gaps and times
are reported, not judged.
"""

from __future__ import annotations

import argparse
import bisect
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "clients/python")]

from chaos_load import CONTEXT, Load  # noqa: E402
from node import SMOLLM2, Node, children_of, eventually  # noqa: E402
from troupe_client import Client, TroupeError  # noqa: E402

# A stopped process that goes on again after this many seconds was never away; root kills one that
# is silent for three beats (0.6 s).
STALL_S = (0.05, 0.3)
# A worker that holds so much more is over its limit, which is far above what it needs.
WORKER_MIB = 600
RESUME_GRACE_S = 10  # no client is away for longer
NAN_TOKEN = 4243  # a request that holds it computes no finite number
CONFIG = f"""
[node]
worker_memory_mb = {WORKER_MIB}
drain_timeout_ms = 2000
[gateway]
resume_grace_ms = {RESUME_GRACE_S}000
[faults]
nan_token = {NAN_TOKEN}
orders = 1
"""
# Of the mixture: every stage of the front throws at every Nth message of each kind. What a
# worker's stages throw ends it, as Nemesis orders; stages_test.py throws in each of their handlers.
THROWS = """
throw_in = "gateway,preprocess,dispatch,aggregate"
throw_every = 400
"""
# The worker's end of the link between front and worker.
LINK = "worker.dispatch"
# Everything that a process may wait for, twice as much as there are processors.
STRESS = (
    "stress-ng", "--quiet", "--cpu", "4", "--vm", "2", "--vm-bytes", "256M",
    "--hdd", "1", "--hdd-bytes", "64M", "--fork", "1", "--switch", "1", "--timer", "1",
)  # fmt: skip


class RestartLog:
    """restart.log as it grows."""

    def __init__(self, node: Node) -> None:
        self._path = node.folder / "logs" / "restart.log"
        self._read = 0
        self.events: list[dict[str, Any]] = []

    def update(self) -> list[dict[str, Any]]:
        with open(self._path, "rb") as log:
            log.seek(self._read)
            for line in log:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    self.events.append(json.loads(line))
        return self.events

    def serves_after(self, role: str, pid: int) -> bool:
        """Another incarnation than `pid` was the last to be admitted, and has not ended."""
        own = [event for event in self.update()[-40:] if event["child"] == role]
        return bool(own) and own[-1]["event"] == "progress" and own[-1]["id"] != pid


class Nemesis:
    """What is done to the node, and when."""

    def __init__(self, node: Node, load: Load, seed: int) -> None:
        self._node = node
        self._load = load
        self._log = RestartLog(node)
        self._random = random.Random(seed)
        self._client = Client(node.zmq, connect_timeout_s=60)
        self.done: Counter[str] = Counter()
        self.hits: list[float] = []  # monotonic seconds

    def kill(self, role: str, with_signal: int = signal.SIGKILL) -> None:
        """Ends the process and waits until another one serves."""
        pid = self._pid(role)
        self._hit(f"{signal.Signals(with_signal).name} {role}")
        os.kill(pid, with_signal)
        self._wait_for_another(role, pid)

    def hang(self, role: str) -> None:
        """Stops the process for good: root has to kill it."""
        pid = self._pid(role)
        self._hit(f"SIGSTOP {role}")
        os.kill(pid, signal.SIGSTOP)
        self._wait_for_another(role, pid)

    def stall(self, role: str) -> None:
        pid = self._pid(role)
        self._hit(f"stall {role}")
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self._random.uniform(*STALL_S))
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:  # root was quicker
            self._wait_for_another(role, pid)

    def has(self, role: str, end: str) -> None:
        """The process ends itself in the middle of what it does."""
        pid = self._pid(role)
        self._hit(f"{end} {role}")
        self._node.order(role, end)
        self._wait_for_another(role, pid)

    def blamed(self, deed: Callable[[], None]) -> None:
        """A death that work can have caused. Only when every stream has gone on since the one
        before, or innocents would be alone in two of them."""
        self._all_go_on()
        deed()
        self._all_go_on()

    def disturb(self, deed: str, most: int) -> None:
        """Loses or delays what the link between front and worker carries."""
        amount = self._random.randint(1, most)
        way = self._random.choice(("in", "out"))
        self._hit(f"{deed} {way}")
        self._node.order("worker-0", f"{deed} {LINK} {way} {amount}")

    def spoil(self) -> None:
        """One request computes no finite number: it alone ends, and says why."""
        self._hit("nan")
        prompt = [NAN_TOKEN, self._random.randint(100, 200), 300]
        try:
            answer = self._client.generate(tokens=prompt, max_tokens=8, ignore_eos=True)
            self._load.figures.object(f"a request without a finite number got {answer}")
        except TroupeError as error:
            if error.code != "internal":
                self._load.figures.object(f"a NaN ended as {error.code}: {error.message}")

    def any(self) -> None:
        """One of all that this knows, by chance."""
        role = "front" if self.chance(0.25) else "worker-0"
        deeds: list[tuple[int, Callable[[], None]]] = [
            (10, lambda: self.kill(role)),
            (1, lambda: self.blamed(lambda: self.kill(role, signal.SIGSEGV))),
            (1, lambda: self.blamed(lambda: self.has(role, "exit"))),
            (1, lambda: self.blamed(lambda: self.has(role, "segv"))),
            (2, lambda: self.hang(role)),
            (4, lambda: self.stall(role)),
        ]
        if role != "front":
            deeds += [
                (1, lambda: self.blamed(lambda: self.has(role, "hang"))),
                (1, lambda: self.blamed(lambda: self.has(role, "throw infer"))),
                (1, lambda: self.blamed(lambda: self.has(role, "throw batch"))),
                (1, lambda: self.has(role, f"grow {WORKER_MIB}")),
                (3, lambda: self.disturb("drop", 4)),
                (3, lambda: self.disturb("delay", 800)),
                (2, self.spoil),
            ]
        weights = [weight for weight, _ in deeds]
        self._random.choices([deed for _, deed in deeds], weights)[0]()

    def rest(self, most_s: float, until_heard: bool = True) -> None:
        """So that the next blow meets any moment of prefill and decode. `until_heard`: not before
        every stream has gone on, so that each blow has a gap of its own."""
        if until_heard:
            self._all_go_on()
        time.sleep(self._random.uniform(0, most_s))

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def close(self) -> None:
        self._client.close()

    def _all_go_on(self) -> None:
        if self.hits:
            eventually("all go on", lambda: self._load.all_heard_since(self.hits[-1]))

    def _pid(self, role: str) -> int:
        return eventually(f"{role} runs", lambda: self._node.pid_of(role))

    def _hit(self, deed: str) -> None:
        self.done[deed] += 1
        self.hits.append(time.monotonic())

    def _wait_for_another(self, role: str, pid: int) -> None:
        eventually(f"another {role} serves", lambda: self._log.serves_after(role, pid))
        eventually("the node is ready", self._node.is_ready)


def quantile(values: list[float], share: float) -> float:
    """NaN where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def spread(values: list[float]) -> dict[str, float]:
    """In milliseconds."""
    names = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(1e3 * quantile(values, share), 1) for name, share in names.items()}


def gaps(hits: list[float], streams: list[list[tuple[float, float]]]) -> list[float]:
    """For each blow and stream that was talking: the longest silence that began before the next
    blow and ended after this one."""
    found = []
    for hit, following in zip(hits, [*hits[1:], float("inf")]):
        for silences in streams:
            first = bisect.bisect_right(silences, hit, key=lambda silence: silence[1])
            longest = 0.0
            for begin, end in silences[first:]:
                if begin >= following:
                    break
                longest = max(longest, end - begin)
            if longest:
                found.append(longest)
    return found


def downtimes(node: Node, role: str) -> list[float]:
    """Seconds from each death to being admitted again, from restart.log."""
    events = node.restart_log()
    return [
        event["downtime_ms"] / 1e3
        for event in events
        if event["child"] == role and event["downtime_ms"] is not None
    ]


def memory_kib(pid: int) -> int:
    """Memory of a process alone, without files: not the weights that workers share, nor the ledger,
    which is root's and grows and shrinks within its bounds."""
    fields = dict(
        line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )
    return int(fields["Anonymous"].split()[0])


def left_behind(node: Node) -> list[str]:
    """Zombies of root, and files of workers that are gone."""
    found = []
    for pid in children_of(node.pid):
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            found.append(f"zombie {pid}")
    steps = list(node.state.glob("*.step"))
    if len(steps) > 1:
        found.append(f"step records: {[step.name for step in steps]}")
    return found


def resources(node: Node) -> dict[str, dict[str, int]]:
    return {
        role: {"memory_kib": memory_kib(pid), "files": len(os.listdir(f"/proc/{pid}/fd"))}
        for role, pid in node.roles().items()
    }


def resources_of_young(node: Node, nemesis: Nemesis) -> dict[str, dict[str, int]]:
    """What root holds, and what a worker and a front of a certain age hold, whose predecessors kept
    as many ended answers as they ever do, and who have forgotten those. Before and after are alike,
    and only what the node keeps for ever makes a difference."""
    time.sleep(RESUME_GRACE_S)
    for role in ("worker-0", "front"):
        nemesis.kill(role)
        nemesis.rest(0)
    time.sleep(1.5 * RESUME_GRACE_S)
    return resources(node)


def stress(minutes: float, folder: Path) -> None:
    """Keeps the machine busy with work of others, and does nothing to the node."""
    timeout = ("--timeout", f"{round(60 * minutes)}s")
    subprocess.run([*STRESS, "--temp-path", str(folder), *timeout], check=True)


def deaths(node: Node) -> list[str]:
    ends = ("child_terminated", "start_error")
    return [f"{e['child']}: {e['reason_code']}" for e in node.restart_log() if e["event"] in ends]


def thrown(node: Node) -> int:
    """Exceptions that stages of the front were restarted after."""
    ends = [e for e in node.restart_log() if e["event"] == "child_terminated"]
    return sum(e["kind"] == "actor" for e in ends)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos.sh", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of all faults by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, help="so many SIGKILLs of --role instead")
    parser.add_argument("--role", default="worker-0", help="worker-0 or front")
    parser.add_argument(
        "--stress",
        action="store_true",
        help="no fault, but stress-ng beside the node for --minutes: nothing may be restarted",
    )
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--http", type=int, help="so many streams over HTTP, the rest over ZeroMQ")
    parser.add_argument("--rest-s", type=float, default=0.5, help="longest pause between blows")
    parser.add_argument("--spare", type=int, default=0, help="workers in reserve")
    return parser.parse_args()


def strike(nemesis: Nemesis, options: argparse.Namespace) -> None:
    if options.kills is not None:
        for count in range(options.kills):
            nemesis.kill(options.role)
            nemesis.rest(options.rest_s)
            if (count + 1) % 50 == 0:
                print(f"{count + 1} kills", flush=True)
        return
    end = time.monotonic() + 60 * options.minutes
    while time.monotonic() < end:
        nemesis.any()
        nemesis.rest(options.rest_s, until_heard=nemesis.chance(0.7))


def run(node: Node, options: argparse.Namespace) -> dict[str, Any]:
    over_http = options.streams // 4 if options.http is None else options.http
    load = Load(node, options.streams, over_http)
    load.start()
    nemesis = Nemesis(node, load, options.seed)
    nemesis.rest(1)
    before = resources_of_young(node, nemesis)
    nemesis.hits.clear()
    nemesis.done.clear()
    begin = time.monotonic()
    asked = len(deaths(node))
    stress(options.minutes, node.folder) if options.stress else strike(nemesis, options)
    unasked = deaths(node)[asked:] if options.stress else []
    seconds = time.monotonic() - begin
    faults, hits = dict(nemesis.done), list(nemesis.hits)
    after = resources_of_young(node, nemesis)
    nemesis.close()
    load.stop()
    node.assert_conserved()
    figures = load.figures
    silences = [end - begin for stream in figures.silences for begin, end in stream]
    return {
        "seed": options.seed,
        "seconds": round(seconds, 1),
        "faults": faults,
        "exceptions": thrown(node),
        "answers": figures.answers,
        "tokens": figures.tokens,
        "wrong": figures.wrong,
        "gap_of_disturbed_ms": spread(gaps(hits, figures.silences)),
        "gap_of_all_ms": spread(silences),
        "worker_serving_again_ms": spread(downtimes(node, "worker-0")),
        "front_serving_again_ms": spread(downtimes(node, "front")),
        "before": before,
        "after": after,
        "left_behind": left_behind(node),
        "unasked_deaths": unasked,
    }


def main() -> int:
    options = arguments()
    config = CONFIG.replace("[node]", f"[node]\nspare = {options.spare}")
    if options.kills is None and not options.stress:
        config += THROWS
    with Node.of(SMOLLM2, "--context", str(CONTEXT), config=config) as node:
        try:
            figures = run(node, options)
        except BaseException:
            print(node.report(), flush=True)
            raise
    print(json.dumps(figures))
    return 1 if figures["wrong"] or figures["left_behind"] or figures["unasked_deaths"] else 0


if __name__ == "__main__":
    sys.exit(main())
