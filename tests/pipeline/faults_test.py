"""Faults inside processes and on their link: whatever a worker does to itself in the middle of a
step, and whatever the link loses, clients read the answers of an undisturbed run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from node import HANG_S, SMOLLM2, Node, eventually
from troupe_client import Client, TroupeError

NAN_TOKEN = 4243
CONFIG = f"[faults]\norders = 1\nnan_token = {NAN_TOKEN}\n"
SAMPLED = {"temperature": 0.9, "top_p": 0.95, "seed": 42, "ignore_eos": True}
STREAMS = 4
LINK = "worker.dispatch"


@pytest.fixture(scope="module")
def faulty() -> Iterator[Node]:
    """A node that does what these tests order."""
    with Node.of(SMOLLM2, "--context", "1024", config=CONFIG) as node:
        yield node
        node.assert_conserved()


def bodies(tokens: int = 48) -> list[dict[str, Any]]:
    prompts = ([100 + i, 200 + i, 300] for i in range(STREAMS))
    return [{"tokens": prompt, **SAMPLED, "max_tokens": tokens} for prompt in prompts]


def answers(client: Client, requests: list[dict[str, Any]]) -> list[tuple[int, ...]]:
    """Of streams that run side by side."""
    streams = [client.stream(**request) for request in requests]
    for stream in streams:
        list(stream)
    return [stream.result.tokens for stream in streams if stream.result is not None]


class Answering:
    """Streams side by side, in a thread of their own."""

    def __init__(self, client: Client, requests: list[dict[str, Any]]) -> None:
        self._answers: list[Any] = []
        self._thread = threading.Thread(
            target=lambda: self._answers.append(answers(client, requests)), daemon=True
        )
        self._thread.start()

    def result(self) -> list[tuple[int, ...]]:
        self._thread.join(4 * HANG_S)
        assert self._answers, "a stream hangs"
        return self._answers[0]


def deaths(node: Node) -> list[dict]:
    """Of processes: the stages of a worker that throw are told, too."""
    ends = [line for line in node.restart_log() if line["event"] == "child_terminated"]
    return [line for line in ends if line["kind"] == "process"]


def until_another_worker(node: Node, pid: int) -> None:
    eventually("another worker runs", lambda: node.pid_of("worker-0") not in (0, pid))
    eventually("the node is ready", node.is_ready)


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("exit", "exit_3"),
        ("segv", "SIGSEGV"),
        ("hang", "hung"),
        ("throw infer", "exit_70"),
        ("throw batch", "exit_70"),
    ],
)
def test_streams_go_on_when_their_worker_ends_itself_in_the_middle_of_a_step(faulty, order, reason):
    with Client(faulty.zmq) as client:
        undisturbed = answers(client, bodies())
        pid, before = faulty.roles()["worker-0"], len(deaths(faulty))
        streams = Answering(client, bodies())
        faulty.order("worker-0", order)
        until_another_worker(faulty, pid)
        assert streams.result() == undisturbed
    (death,) = deaths(faulty)[before:]
    assert death["reason_code"] == reason and death["reason_category"] == "work"


@pytest.mark.parametrize("order", ["drop batch.infer out 1", "drop infer.result out 1"])
def test_streams_go_on_when_their_worker_loses_a_step_between_its_stages(faulty, order):
    """The next step or its result shows it; where none was under way, the watchdog does."""
    with Client(faulty.zmq) as client:
        undisturbed = answers(client, bodies())
        pid, before = faulty.roles()["worker-0"], len(deaths(faulty))
        streams = Answering(client, bodies())
        faulty.order("worker-0", order)
        until_another_worker(faulty, pid)
        assert streams.result() == undisturbed
    (death,) = deaths(faulty)[before:]
    assert death["reason_code"] in ("exit_70", "hung")


@pytest.mark.parametrize("moment", ["prefill", "last"])
def test_streams_go_on_when_their_worker_is_killed_in_a_prompt_or_at_a_last_token(faulty, moment):
    with Client(faulty.zmq) as client:
        undisturbed = answers(client, bodies(16))
        pid = faulty.roles()["worker-0"]
        running = Answering(client, [{**bodies(400)[0]}])  # has steps, for the order to be heard
        eventually("it runs", lambda: faulty.running() == 1)
        faulty.order("worker-0", f"kill {moment}")
        streams = Answering(client, bodies(16))
        until_another_worker(faulty, pid)
        assert streams.result() == undisturbed
        assert len(running.result()[0]) == 400


def test_a_request_without_a_finite_number_ends_alone(faulty):
    with Client(faulty.zmq) as client:
        undisturbed = answers(client, bodies())
        pid = faulty.roles()["worker-0"]
        streams = Answering(client, bodies())
        with pytest.raises(TroupeError) as caught:
            client.generate(tokens=[NAN_TOKEN, 5], max_tokens=8, ignore_eos=True)
        assert caught.value.code == "internal"
        assert streams.result() == undisturbed
        assert faulty.roles()["worker-0"] == pid


@pytest.mark.parametrize("way", ["in", "out"])
def test_what_the_link_to_a_worker_loses_is_noticed_and_done_again(faulty, way):
    with Client(faulty.zmq) as client:
        undisturbed = answers(client, bodies())
        pid = faulty.roles()["worker-0"]
        resumed = faulty.metrics()["troupe_resumed_requests_total"]
        for losses in (1, 3):
            streams = Answering(client, bodies())
            faulty.order("worker-0", f"drop {LINK} {way} {losses}")
            assert streams.result() == undisturbed
        eventually(
            "what it held was resumed",
            lambda: faulty.metrics()["troupe_resumed_requests_total"] > resumed,
        )
        assert faulty.roles()["worker-0"] == pid  # nobody had to die for it


@pytest.mark.parametrize("way", ["in", "out"])
@pytest.mark.parametrize(
    ("role", "order"), [("worker-0", f"delay {LINK} WAY 700"), ("front", "drop workers WAY 2")]
)
def test_streams_go_on_when_a_link_stalls_or_the_front_loses_frames(faulty, role, order, way):
    with Client(faulty.zmq) as client:
        undisturbed = answers(client, bodies())
        streams = Answering(client, bodies())
        faulty.order(role, order.replace("WAY", way))
        assert streams.result() == undisturbed


def test_a_worker_without_requests_hears_what_its_links_are_to_lose(faulty):
    eventually("nothing runs", lambda: faulty.running() == 0)
    faulty.order("worker-0", f"drop {LINK} in 2")
    with Client(faulty.zmq) as client:
        assert [len(answer) for answer in answers(client, bodies(16))] == [16] * len(bodies(16))


def test_streams_go_on_when_the_front_ends_itself(faulty):
    with Client(faulty.zmq, connect_timeout_s=HANG_S) as client:
        undisturbed = answers(client, bodies())
        pid = faulty.roles()["front"]
        streams = Answering(client, bodies())
        faulty.order("front", "exit")
        eventually("another front runs", lambda: faulty.pid_of("front") not in (0, pid))
        assert streams.result() == undisturbed


def test_a_worker_that_is_killed_while_it_packs_packs_anew(tmp_path):
    model = tmp_path / SMOLLM2.name
    model.symlink_to(SMOLLM2)
    draft = tmp_path / f"{SMOLLM2.name}.default.troupe.draft"
    killed: list[int] = []

    def kill() -> None:
        eventually("it packs", draft.exists)
        killed.append(Node.living[-1].kill("worker-0"))

    killer = threading.Thread(target=kill)
    killer.start()
    with Node.of(model, "--context", "1024") as node:
        killer.join()
        (death,) = [line for line in node.restart_log() if line["event"] == "start_error"]
        assert death["id"] == killed[0] and death["reason_code"] == "SIGKILL"
        assert not draft.exists() and draft.with_suffix("").exists()
        body = {"model": "test", "prompt": "Hi", "max_tokens": 2}
        assert node.ask("/v1/completions", body)[0] == 200
        node.assert_conserved()


def test_a_worker_that_grows_is_replaced_and_its_streams_go_on():
    config = f"[node]\nworker_memory_mb = 600\ndrain_timeout_ms = 300\n{CONFIG}"
    with Node.of(SMOLLM2, "--context", "1024", config=config) as node, Client(node.zmq) as client:
        requests = bodies(300)
        undisturbed = answers(client, requests)
        pid = node.roles()["worker-0"]
        streams = Answering(client, requests)
        node.order("worker-0", "grow 600")
        until_another_worker(node, pid)
        assert streams.result() == undisturbed
        assert deaths(node) == []
        node.assert_conserved()
