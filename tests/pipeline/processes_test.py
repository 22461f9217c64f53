"""The node as processes: what runs, what dies, what comes back."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import threading
from pathlib import Path

import pytest

from node import HANG_S, SMOLLM2, Node, command_line, eventually, require
from troupe_client import Client

LONG = {"model": "test", "prompt": "Count:", "max_tokens": 4000, "temperature": 0}
LONG["ignore_eos"] = True


def unix_sockets(pid: int) -> set[str]:
    """Inodes of the UNIX sockets that a process has open."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[len("socket:[") : -1])
    table = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return inodes & {row[6] for row in table}


def bound_to(path: str) -> set[str]:
    """Inodes of the UNIX sockets that were bound to this path: the listener and its connections."""
    table = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {row[6] for row in table if len(row) > 7 and row[7] == path}


def test_a_node_is_three_processes_that_show_their_roles(node):
    roles = node.roles()
    assert set(roles) == {"root", "front", "worker-0"}
    assert roles["root"] == node.pid
    assert all(command_line(pid).startswith("troupe ") for pid in roles.values())


def test_front_and_worker_are_linked_by_a_socket_in_the_state_folder(node):
    path = str(node.state / "dispatch.ipc")
    assert bound_to(path), f"nobody listens at {path}"
    # The listener and its end of the worker's connection both carry the path.
    front = unix_sockets(node.roles()["front"])
    assert len(bound_to(path) & front) >= 2
    assert unix_sockets(node.roles()["worker-0"]), "the worker has no UNIX socket"


def start_three(node: Node, client: Client) -> tuple:
    """One request of each sort, all in the middle of their answers."""
    stream = node.stream("/v1/completions", LONG)
    whole: list = []
    thread = threading.Thread(
        target=lambda: whole.append(node.ask("/v1/completions", LONG)), daemon=True
    )
    thread.start()
    zeromq = client.stream("Count:", max_tokens=4000, temperature=0, ignore_eos=True)
    assert "choices" in json.loads(stream.next())
    next(zeromq)
    eventually("three requests run", lambda: node.running() == 3)
    return stream, whole, thread, zeromq


def test_a_killed_worker_comes_back_and_every_request_goes_on(own_node):
    with Client(own_node.zmq) as client:
        stream, whole, thread, zeromq = start_three(own_node, client)
        killed = own_node.kill("worker-0")
        eventually("another worker runs", lambda: own_node.pid_of("worker-0") not in (0, killed))
        eventually("all three run again", lambda: own_node.running() == 3)
        for _ in range(20):
            assert "choices" in json.loads(stream.next())
            next(zeromq)
        stream.close()
        zeromq.close()
        eventually("the whole answer's request is alone", lambda: own_node.running() == 1)
        assert thread.is_alive() and not whole
    deaths = [line for line in own_node.restart_log() if line["event"] == "child_terminated"]
    assert [line["child"] for line in deaths] == ["worker-0"]
    assert "9" in str(deaths[0]["signal"]) or "KILL" in str(deaths[0]["signal"])
    back = [line for line in own_node.restart_log() if line["downtime_ms"] is not None]
    assert [(line["requests_requeued"], line["requests_failed"]) for line in back] == [(3, 0)]


def test_a_worker_that_is_killed_three_times_comes_back_three_times(own_node):
    for _ in range(3):
        killed = own_node.kill("worker-0")
        eventually(
            "another worker runs",
            lambda: own_node.pid_of("worker-0") not in (0, killed) and own_node.is_ready(),
        )
    body = {"model": "test", "prompt": "Hi", "max_tokens": 2}
    assert own_node.ask("/v1/completions", body)[0] == 200


def test_a_killed_front_ends_http_requests_without_a_key_and_zeromq_goes_on(own_node):
    with Client(own_node.zmq) as client:
        stream, whole, thread, zeromq = start_three(own_node, client)
        # The whole request's reader learns it from its connection.
        threading.excepthook = lambda _: None
        killed = own_node.kill("front")
        with pytest.raises((http.client.HTTPException, OSError)):
            rest = stream.rest()
            if "[DONE]" not in rest:
                raise http.client.IncompleteRead(b"")
        thread.join(HANG_S)
        assert not thread.is_alive() and not whole

        eventually("another front runs", lambda: own_node.pid_of("front") not in (0, killed))
        eventually("the node is ready again", own_node.is_ready)
        for _ in range(20):
            next(zeromq)
        zeromq.close()
        assert len(client.generate("Hi", max_tokens=4, ignore_eos=True).tokens) == 4
    eventually("nothing runs", lambda: own_node.running() == 0)
    assert "front" in [line["child"] for line in own_node.restart_log()]


def is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=HANG_S).close()
    except OSError:
        return True
    return False


def test_the_death_of_root_takes_its_children_along(own_node):
    pids = own_node.roles()
    own_node.kill("root")
    own_node.process.wait(HANG_S)
    for role in ("front", "worker-0"):
        eventually(f"{role} is gone", lambda role=role: not command_line(pids[role]))
    eventually("the port is closed", lambda: is_closed(own_node.http_port))


def test_sigterm_lets_what_runs_finish_and_refuses_what_is_new(own_node):
    stream = own_node.stream("/v1/completions", {**LONG, "max_tokens": 300})
    events = [stream.next()]
    own_node.process.send_signal(signal.SIGTERM)
    refused: list[tuple[int, dict]] = []

    def is_refused() -> bool:
        refused[:] = [own_node.ask("/v1/completions", {**LONG, "max_tokens": 1})]
        return refused[0][0] == 503

    eventually("new requests are refused", is_refused)
    assert refused[0][1]["error"]["code"] == "draining"
    events += stream.rest()
    assert events[-1] == "[DONE]"
    assert json.loads(events[-2])["choices"][0]["finish_reason"] == "length"
    assert own_node.process.wait(HANG_S) == 0
    assert not own_node.state.joinpath("dispatch.ipc").exists()


def test_a_drain_without_work_ends_at_once_with_exit_code_0(own_node):
    pids = own_node.roles().values()
    own_node.process.send_signal(signal.SIGTERM)
    assert own_node.process.wait(HANG_S) == 0
    assert not any(command_line(pid) for pid in pids)


def test_a_client_that_hangs_up_frees_its_sequence(node):
    before = node.metrics()["troupe_generated_tokens_total"]
    stream = node.stream("/v1/completions", LONG)
    stream.next()
    eventually("the request runs", lambda: node.running() == 1)
    stream.close()
    eventually("nothing runs", lambda: node.running() == 0)
    assert node.metrics()["troupe_generated_tokens_total"] - before < LONG["max_tokens"]


def test_a_client_that_hangs_up_before_a_whole_answer_frees_its_sequence(node):
    before = node.metrics()["troupe_generated_tokens_total"]
    body = json.dumps(LONG).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", node.http_port)) as connection:
        connection.sendall(head.encode() + body)
        eventually("the request runs", lambda: node.running() == 1)
    eventually("nothing runs", lambda: node.running() == 0)
    assert node.metrics()["troupe_generated_tokens_total"] - before < LONG["max_tokens"]


def test_a_zeromq_client_that_closes_frees_its_sequence(node):
    client = Client(node.zmq)
    stream = client.stream("Count:", max_tokens=4000, ignore_eos=True)
    next(stream)
    eventually("the request runs", lambda: node.running() == 1)
    client.close()
    eventually("nothing runs", lambda: node.running() == 0)


def policies(node: Node, role: str) -> set[int]:
    threads = os.listdir(f"/proc/{node.pid_of(role)}/task")
    return {os.sched_getscheduler(int(thread)) for thread in threads}


def test_a_node_in_the_background_stays_there():
    with Node.of(SMOLLM2, "--context", "512", wrapper=("chrt", "--idle", "0")) as node:
        assert node.ask("/v1/completions", {"prompt": "One", "max_tokens": 2})[0] == 200
        assert policies(node, "worker-0") == policies(node, "front") == {os.SCHED_IDLE}


def test_only_threads_that_compute_take_a_core_when_they_wake(own_node):
    assert own_node.ask("/v1/completions", {"prompt": "One", "max_tokens": 2})[0] == 200
    threads = [int(thread) for thread in os.listdir(f"/proc/{own_node.pid_of('worker-0')}/task")]
    usual = [
        thread
        for thread in threads
        if os.sched_getscheduler(thread) == os.SCHED_OTHER
        and os.getpriority(os.PRIO_PROCESS, thread) == 0
    ]
    assert len(usual) == len(os.sched_getaffinity(0)) < len(threads)


def test_a_worker_that_finds_another_model_is_given_up_alone_while_another_one_serves(tmp_path):
    model = tmp_path / "model.gguf"
    shutil.copy(require(SMOLLM2), model)
    ask = {"prompt": "One, two,", "max_tokens": 300, "temperature": 0, "ignore_eos": True}
    with Node.of(model, "--context", "1024", "--workers", "2", "--precision", "exact") as node:
        eventually("both serve", lambda: node.serving_workers() == 2)
        answer = node.ask("/v1/completions", ask)
        changed = tmp_path / "changed.gguf"
        shutil.copy(model, changed)
        with open(changed, "r+b") as file:
            file.seek(-1000, os.SEEK_END)  # of the last tensor
            file.write(bytes(range(200)))
        changed.rename(model)
        node.kill("worker-0")
        given_up = "worker-0 exited with 2 and is not restarted any more"
        eventually("it is given up", lambda: given_up in node.errors.read_text())
        assert "was the model's file replaced?" in node.errors.read_text()
        assert set(node.roles()) == {"root", "front", "worker-1"}
        assert node.ask("/v1/completions", ask)[1]["choices"] == answer[1]["choices"]
