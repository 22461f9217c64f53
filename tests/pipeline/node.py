"""A node of real processes on free ports, and the small tools to watch it from outside."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = Path(os.environ.get("TROUPE_BINARY", ROOT / "build/release/apps/troupe")).absolute()
MODELS = Path(os.environ.get("TROUPE_MODELS", ROOT / "models")).absolute()
SMOLLM2 = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
QWEN = MODELS / "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf"
# Guards against hanging, in seconds: nothing is claimed about speed. Far above what is needed on
# two slow cores.
HANG_S = 60

T = TypeVar("T")


def eventually(what: str, probe: Callable[[], T], seconds: float = HANG_S) -> T:
    """The first true value of `probe`. Fails with `what` when the guard runs out."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < deadline, f"it never happened that {what}"
        time.sleep(0.02)


def require(path: Path) -> Path:
    """The model file, or a failure that says how to get it."""
    assert path.exists(), f"{path} is missing: run scripts/fetch_model.sh {path.name}"
    return path


def free_ports(count: int) -> list[int]:
    """Ports that are free at this moment, all different."""
    listeners = [socket.socket() for _ in range(count)]
    for listener in listeners:
        listener.bind(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def run_troupe(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    command = [str(BINARY), *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=4 * HANG_S)


def command_line(pid: int) -> str:
    """The command line of a living process; empty when there is none."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (OSError, IndexError):
        return ""
    return "" if state == "Z" else line


def children_of(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in children]


class Stream:
    """A streamed HTTP answer: the data of each server-sent event, as it comes."""

    def __init__(self, response: http.client.HTTPResponse, connection: Any) -> None:
        self.status = response.status
        self._response = response
        self._connection = connection
        self._events = self._read()

    def _read(self) -> Iterator[str]:
        for line in self._response:
            if line.startswith(b"data: "):
                yield line[len(b"data: ") :].decode().rstrip("\r\n")

    def next(self) -> str:
        return next(self._events)

    def rest(self) -> list[str]:
        return list(self._events)

    def close(self) -> None:
        """Hangs up, as a client that goes away does."""
        self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._response.close()
        self._connection.close()


class Node:
    """`troupe serve` in a folder of its own: its process is root, whose children are the others."""

    living: list[Node] = []  # for the report of a test that failed

    def __init__(
        self, model: Path, *flags: str, wrapper: tuple[str, ...] = (), config: str = ""
    ) -> None:
        """`wrapper`: a command that runs the rest of its command line, such as `nice`. `config`:
        TOML, for what has no flag."""
        self.folder = Path(tempfile.mkdtemp(prefix="troupe-"))  # short: it holds UNIX sockets
        self.state = self.folder / "state"
        self.http_port, self.zmq_port = free_ports(2)
        self.zmq = f"tcp://127.0.0.1:{self.zmq_port}"
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.errors = self.folder / "stderr"
        command = [*wrapper, str(BINARY), "serve"]
        if config:
            (self.folder / "troupe.toml").write_text(config)
            command += ["--config", "troupe.toml"]
        command += ["--model", str(require(model)), "--alias", "test"]
        command += ["--http", f"127.0.0.1:{self.http_port}", "--zmq", self.zmq, *flags]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
            )
        Node.living.append(self)
        try:
            eventually("the node is ready", self.is_ready)
        except AssertionError as error:
            report = self.report()
            self.stop()
            raise AssertionError(report) from error

    @classmethod
    @contextlib.contextmanager
    def of(
        cls, model: Path, *flags: str, wrapper: tuple[str, ...] = (), config: str = ""
    ) -> Iterator[Node]:
        """A node that ends with the block."""
        node = cls(model, *flags, wrapper=wrapper, config=config)
        try:
            yield node
        finally:
            node.stop()

    # --- Asking ---

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=4 * HANG_S)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, data, headers)
        return connection.getresponse(), connection

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON (or text) of a GET, or of a POST when there is a body."""
        response, connection = self.request("GET" if body is None else "POST", path, body)
        data = response.read()
        connection.close()
        is_json = "json" in response.getheader("Content-Type", "")
        return response.status, json.loads(data) if is_json else data.decode()

    def stream(self, path: str, body: dict[str, Any]) -> Stream:
        return Stream(*self.request("POST", path, {**body, "stream": True}))

    def is_ready(self) -> bool:
        assert self.process.poll() is None, f"the node ended: {self.errors.read_text()}"
        try:
            return self.ask("/health/ready")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def metrics(self) -> dict[str, float]:
        """Values by name, labels summed up."""
        values: dict[str, float] = {}
        for family in text_string_to_metric_families(self.ask("/metrics")[1]):
            for sample in family.samples:
                values[sample.name] = values.get(sample.name, 0) + sample.value
        return values

    def metric_lines(self, name: str) -> dict[str, float]:
        """The values of one metric, by name and labels as they are printed."""
        lines = [line.rsplit(" ", 1) for line in self.ask("/metrics")[1].splitlines()]
        return {line[0]: float(line[1]) for line in lines if line[0].startswith(name)}

    def assert_conserved(self) -> None:
        """Every accepted request has ended for one reason, is queued, or runs. To be called when no
        request begins or ends."""

        def balance() -> float:
            values = self.metrics()
            assert values["troupe_requests_conservation_error"] == 0
            ended = values["troupe_requests_finished_total"]
            open_now = values["troupe_requests_queued"] + values["troupe_requests_running"]
            return values["troupe_requests_accepted_total"] - ended - open_now

        # Gauges are set once a beat, counters at once.
        eventually("the counters balance", lambda: balance() == 0)

    def running(self) -> float:
        return self.metrics()["troupe_requests_running"]

    # --- Watching ---

    def serving_workers(self) -> int:
        status = json.loads(run_troupe("status", "--state", self.state, "--json").stdout)
        states = {process["name"]: process["state"] for process in status["processes"]}
        return sum(state == "ready" for name, state in states.items() if "worker-" in name)

    @property
    def pid(self) -> int:
        return self.process.pid

    def roles(self) -> dict[str, int]:
        """Role → pid of the node's living processes, from their command lines."""
        roles = {}
        for pid in [self.pid, *children_of(self.pid)]:
            words = command_line(pid).split()
            if len(words) > 1:
                roles[words[1]] = pid
        return roles

    def pid_of(self, role: str) -> int:
        """0 while no process plays the role."""
        return self.roles().get(role, 0)

    def restart_log(self) -> list[dict[str, Any]]:
        path = self.folder / "logs" / "restart.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def report(self) -> str:
        parts = [f"exit code {self.process.poll()}, {self.roles()}"]
        for path in [self.errors, *sorted((self.folder / "logs").glob("*.log"))]:
            parts.append(f"--- {path.name}\n" + path.read_text(errors="replace")[-2000:])
        return "\n".join(parts)

    def kill(self, role: str) -> int:
        pid = self.roles()[role]
        os.kill(pid, signal.SIGKILL)
        return pid

    def order(self, role: str, what: str) -> None:
        """Has a process of a node with `[faults] orders = 1` do this to itself (apps/faults.hpp).
        Returns when it has heard of it: a worker looks before each step, and for
        what its links are to lose at each beat."""
        order = self.state / f"{role}.order"
        draft = order.with_suffix(".draft")
        draft.write_text(what + "\n")
        draft.rename(order)
        eventually(f"{role} takes '{what}'", lambda: not order.exists())

    def stop(self) -> None:
        """Ends the node, whatever state it is in, and removes its folder."""
        if self in Node.living:
            Node.living.remove(self)
        self.process.terminate()
        try:
            self.process.wait(HANG_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
