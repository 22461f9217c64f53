"""A node under a hard memory limit: it plans with it, refuses what cannot fit, and survives."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node import BINARY, HANG_S, SMOLLM2, Node, eventually, free_ports, require, run_troupe

MIB = 1 << 20
CONTEXT = 1024  # tokens: a long request
FITTING = 12  # long requests that the limit is made for
SENT = 35


class Cgroup:
    """A memory control group of version 1 or 2 with a hard limit, below the test's own."""

    def __init__(self) -> None:
        self.folder, self.limit_file = self._make()

    @staticmethod
    def _make() -> tuple[Path, str]:
        mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        tried = []
        for mount in mounts:
            kind, options = mount[mount.index("-") + 1], mount[-1].split(",")
            if kind == "cgroup" and "memory" in options:
                own = next((g[2] for g in groups if "memory" in g[1].split(",")), "/")
                limit_file = "memory.limit_in_bytes"
            elif kind == "cgroup2":
                own, limit_file = next((g[2] for g in groups if not g[1]), "/"), "memory.max"
            else:
                continue
            # Below the test's own group, or beside it where that may have no children.
            for parent in (Path(mount[4] + own), Path(mount[4])):
                folder = parent / f"troupe-test-{os.getpid()}"
                try:
                    folder.mkdir()
                except OSError as error:
                    tried.append(f"{folder}: {error.strerror}")
                    continue
                if (folder / limit_file).exists() and os.access(folder / limit_file, os.W_OK):
                    return folder, limit_file
                tried.append(f"{folder}: has no {limit_file}")
                folder.rmdir()
        pytest.skip("no memory control group can be made here: " + ("; ".join(tried) or "none"))

    def set_limit(self, limit: int) -> None:
        (self.folder / self.limit_file).write_text(str(limit))

    @property
    def wrapper(self) -> tuple[str, ...]:
        """Puts itself into the group, then becomes the rest of its command line."""
        return ("sh", "-c", f'echo $$ > "{self.folder}/cgroup.procs" && exec "$@"', "sh")

    def oom_kills(self) -> int:
        name = "memory.oom_control" if "limit" in self.limit_file else "memory.events"
        text = (self.folder / name).read_text()
        return int(re.search(r"^oom_kill (\d+)$", text, re.MULTILINE).group(1))

    def remove(self) -> None:
        def is_removed() -> bool:
            try:
                self.folder.rmdir()
            except OSError:
                return False
            return True

        eventually("the group is empty", is_removed)


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    made = Cgroup()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def memory() -> dict:
    """What `model inspect` says of memory. The weights are packed first, outside of any limit."""
    command = ("generate", "--model", require(SMOLLM2), "--prompt", "a", "--max-tokens", "1")
    assert run_troupe(*command).returncode == 0
    return json.loads(run_troupe("model", "inspect", SMOLLM2, "--json").stdout)["memory"]


def limit_for(memory: dict, contexts: int) -> int:
    """The limit under which the plan's cache holds so many full contexts."""
    plan = memory["serve_plan"]
    fixed = plan["weights_bytes"] + plan["processes_bytes"] + plan["scratch_bytes"]
    return (fixed + contexts * CONTEXT * memory["kv_bytes_per_token"]) * 16 // 15 + MIB


def long_request(number: int) -> dict:
    """No two begin alike, so that they share nothing of the cache."""
    tokens = [100 + (number * 7919 + i * (number + 3)) % 40000 for i in range(CONTEXT - 160)]
    return {"prompt": tokens, "max_tokens": 60, "temperature": 0, "ignore_eos": True}


def test_more_long_requests_than_fit_all_end_and_no_process_dies(
    cgroup: Cgroup, memory: dict
) -> None:
    cgroup.set_limit(limit_for(memory, FITTING))
    node = Node(SMOLLM2, "--context", str(CONTEXT), wrapper=cgroup.wrapper)
    try:
        started = node.errors.read_text()
        assert f"full contexts: {FITTING})" in started, started
        roles = node.roles()
        with ThreadPoolExecutor(SENT) as clients:
            answers = list(
                clients.map(lambda i: node.ask("/v1/completions", long_request(i)), range(SENT))
            )
        finished = 0
        for status, body in answers:
            if status == 200:
                assert body["usage"]["completion_tokens"] == 60
                finished += 1
            else:
                assert status in (400, 429), body
                assert re.search(r"\d", body["error"]["message"]), body
        assert finished >= FITTING
        assert node.roles() == roles, node.report()
        assert cgroup.oom_kills() == 0
        eventually("the node counts nothing as running", lambda: node.running() == 0)
        assert node.metrics()["troupe_requests_conservation_error"] == 0
    finally:
        node.stop()


def packed_memory(node: Node, worker: str) -> tuple[set[str], int]:
    """Device and inode of the packed weights that a worker maps, and the bytes that it shares."""
    folder = Path(f"/proc/{node.pid_of(worker)}")
    mapped = [line.split() for line in (folder / "maps").read_text().splitlines()]
    packed = {f"{line[3]} {line[4]}" for line in mapped if "/memfd:troupe-packed" in line}
    status = dict(line.split(":") for line in (folder / "status").read_text().splitlines())
    return packed, int(status["RssShmem"].split()[0]) << 10


def test_packed_weights_that_no_file_can_hold_are_in_memory_once(
    memory: dict, tmp_path: Path
) -> None:
    packed_bytes = Path(f"{SMOLLM2}.default.troupe").stat().st_size
    model = tmp_path / "model.gguf"
    model.symlink_to(require(SMOLLM2))
    (tmp_path / "model.gguf.default.troupe").mkdir()  # where the file would be
    ask = {"prompt": "One, two,", "max_tokens": 20, "temperature": 0}
    # Enough for a worker, not for its own copy as well.
    limit = "[node]\nworker_memory_mb = 200\n"
    with Node.of(model, "--context", str(CONTEXT), "--workers", "2", config=limit) as node:
        eventually("both serve", lambda: node.serving_workers() == 2)
        answer = node.ask("/v1/completions", ask)
        maps = [packed_memory(node, f"worker-{i}") for i in range(2)]
        pid = node.kill("worker-0")
        eventually("another one", lambda: node.pid_of("worker-0") not in (0, pid))
        eventually("it serves", lambda: node.serving_workers() == 2)
        maps.append(packed_memory(node, "worker-0"))
        assert len(maps[0][0]) == 1
        assert all(packed == maps[0][0] for packed, _ in maps)
        assert all(shared > packed_bytes * 0.9 for _, shared in maps)
        assert node.ask("/v1/completions", ask)[1]["choices"] == answer[1]["choices"]
        assert node.errors.read_text().count("packing weights: layer 1 of") == 1
        assert "too much memory" not in node.errors.read_text()
        assert "may hold" not in node.errors.read_text()


def refusal(cgroup: Cgroup, folder: Path, config: str) -> str:
    """What a node says that refuses to start."""
    file = folder / "troupe.toml"
    file.write_text(config)
    command = [*cgroup.wrapper, str(BINARY), "serve", "--config", str(file)]
    http, zmq = free_ports(2)
    command += ["--model", str(SMOLLM2), "--context", str(CONTEXT)]
    command += ["--http", f"127.0.0.1:{http}", "--zmq", f"tcp://127.0.0.1:{zmq}"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=4 * HANG_S, check=False
    )
    assert done.returncode != 0
    return done.stderr + done.stdout


def test_what_cannot_fit_is_refused_at_start_with_the_setting_that_would_do(
    cgroup: Cgroup, memory: dict, tmp_path: Path
) -> None:
    cgroup.set_limit(96 * MIB)
    text = refusal(cgroup, tmp_path, "")
    assert "does not fit" in text and "raise that to" in text
    cgroup.set_limit(limit_for(memory, 4))
    text = refusal(cgroup, tmp_path, "[batch]\nsequences_max = 128\n")
    assert re.search(r"batch\.sequences_max = 128: .* set batch\.sequences_max = \d+", text), text
    text = refusal(cgroup, tmp_path, "[batch]\nsequences_max = 8\nkv_blocks = 5000\n")
    says = r"batch\.kv_blocks = 5000 needs \d+ MiB of KV cache, .* set at most \d+"
    assert re.search(says, text), text


def test_a_request_that_can_never_fit_is_refused_with_the_numbers(node: Node) -> None:
    prompt = [5] * 9000
    status, body = node.ask("/v1/completions", {"prompt": prompt, "max_tokens": 5})
    assert status == 400
    assert "9000 tokens" in body["error"]["message"] and "8192" in body["error"]["message"]


def test_a_repeated_prompt_is_cached_and_says_so_unless_the_salt_differs(node: Node) -> None:
    prompt = [7 + i for i in range(100)]
    ask = {"prompt": prompt, "max_tokens": 4, "temperature": 0, "logprobs": 3}

    def cached(**fields: str) -> tuple[int, object]:
        status, body = node.ask("/v1/completions", {**ask, **fields})
        assert status == 200, body
        return body["usage"]["prompt_tokens_details"]["cached_tokens"], body["choices"]

    before = node.metrics().get("troupe_prefix_cache_hit_tokens_total", 0)
    first, answer = cached()
    assert first == 0
    assert cached() == (96, answer)
    assert cached(cache_salt="tenant") == (0, answer)
    assert cached(cache_salt="tenant") == (96, answer)

    def hits() -> bool:
        hit_tokens = node.metrics().get("troupe_prefix_cache_hit_tokens_total", 0)
        return hit_tokens == before + 192

    eventually("the hits are counted", hits)
