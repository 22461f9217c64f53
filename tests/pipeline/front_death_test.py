"""Streams that survive their front, or their connection, and never run twice."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from node import SMOLLM2, Node, Stream, eventually, run_troupe
from troupe_client import Client

SAMPLED = {"temperature": 0.9, "top_p": 0.95, "seed": 42, "ignore_eos": True}
PROMPT = "Once upon a time there was a"


@pytest.fixture(scope="module")
def mortal() -> Iterator[Node]:
    """A node whose front these tests kill."""
    with Node.of(SMOLLM2, "--context", "1024") as node:
        yield node
        node.assert_conserved()


def kill_front(node: Node) -> float:
    """How many requests the next front took over."""
    killed = node.kill("front")
    eventually("another front runs", lambda: node.pid_of("front") not in (0, killed))
    eventually("it is ready", node.is_ready)
    return node.metrics()["troupe_resumed_requests_total"]


def test_zeromq_streams_go_on_when_their_front_is_killed(mortal):
    bodies = [{"tokens": [100 + i, 200 + i], **SAMPLED, "max_tokens": 300} for i in range(4)]
    with Client(mortal.zmq) as client:
        undisturbed = [client.generate(**body) for body in bodies]
        streams = [client.stream(**body) for body in bodies]
        for stream in streams:
            next(stream)
        for _ in range(2):
            assert kill_front(mortal) >= len(streams)
            for stream in streams:
                next(stream)
        for stream, whole in zip(streams, undisturbed):
            list(stream)
            assert stream.result.tokens == whole.tokens
            assert stream.result.text == whole.text


def test_a_zeromq_stream_survives_front_and_worker_together(mortal):
    with Client(mortal.zmq) as client:
        body = {**SAMPLED, "max_tokens": 300}
        whole = client.generate(PROMPT, **body)
        stream = client.stream(PROMPT, **body)
        next(stream)
        mortal.kill("worker-0")
        assert kill_front(mortal) >= 1
        list(stream)
        assert stream.result.tokens == whole.tokens


class Events(Stream):
    """A stream that also reads `id:` lines."""

    def read(self, most: int = 1 << 30) -> tuple[str, str, bool]:
        """Text, the last event's id, and whether the stream was whole, after at most so many
        events. A connection that breaks ends it early."""
        text, last, seen = "", "", 0
        try:
            while seen < most:
                raw = self._response.readline()
                if not raw:  # the connection ended, without a word
                    break
                line = raw.decode().rstrip()
                if line.startswith("id: "):
                    last = line[4:]
                elif line == "data: [DONE]":
                    return text, last, True
                elif line.startswith("data: "):
                    seen += 1
                    data = json.loads(line[6:])
                    assert "error" not in data, data
                    text += "".join(choice["text"] for choice in data["choices"])
        except (OSError, http.client.HTTPException):
            pass
        return text, last, False


def post(node: Node, body: dict[str, Any], key: str = "", last: str = "") -> Events:
    headers = {"Idempotency-Key": key} if key else {}
    headers |= {"Last-Event-ID": last} if last else {}
    return Events(*node.request("POST", "/v1/completions", body, headers))


def body_of(**fields: Any) -> dict[str, Any]:
    body = {"model": "test", "prompt": PROMPT, **SAMPLED, "max_tokens": 60, "stream": True}
    return {**body, **fields}


def test_an_http_stream_with_a_key_goes_on_when_its_front_is_killed(mortal):
    whole, _, done = post(mortal, body_of()).read()
    assert done
    stream = post(mortal, body_of(), key="front-1")
    begin, last, _ = stream.read(10)
    kill_front(mortal)
    rest, _, done = post(mortal, body_of(), key="front-1", last=last).read()
    assert done and begin + rest == whole


def test_an_http_answer_with_a_key_is_there_after_its_front_was_killed(mortal):
    body = body_of(stream=False)
    status, undisturbed = mortal.ask("/v1/completions", body)
    assert status == 200
    response, connection = mortal.request(
        "POST", "/v1/completions", body, {"Idempotency-Key": "front-2"}
    )
    text = json.loads(response.read())["choices"]
    connection.close()
    assert text == undisturbed["choices"]
    kill_front(mortal)
    generated = mortal.metrics()["troupe_generated_tokens_total"]
    response, connection = mortal.request(
        "POST", "/v1/completions", body, {"Idempotency-Key": "front-2"}
    )
    assert json.loads(response.read())["choices"] == text
    connection.close()
    assert mortal.metrics()["troupe_generated_tokens_total"] == generated  # it did not run again


def test_an_http_stream_whose_connection_is_lost_goes_on_with_its_key(mortal):
    whole, _, _ = post(mortal, body_of()).read()
    stream = post(mortal, body_of(), key="link-1")
    begin, last, _ = stream.read(10)
    stream.close()
    rest, _, done = post(mortal, body_of(), key="link-1", last=last).read()
    assert done and begin + rest == whole
    again, _, done = post(mortal, body_of(), key="link-1").read()
    assert done and again == whole  # it ended, and is given again


def test_a_key_with_another_body_is_refused(mortal):
    post(mortal, body_of(), key="body-1").read()
    response, connection = mortal.request(
        "POST", "/v1/completions", body_of(max_tokens=61), {"Idempotency-Key": "body-1"}
    )
    assert response.status == 422
    assert json.loads(response.read())["error"]["code"] == "key_reused"
    connection.close()


def test_http_without_a_key_ends_with_its_front_and_leaves_nothing_running(mortal):
    stream = post(mortal, body_of(max_tokens=900))
    stream.read(3)
    kill_front(mortal)
    _, _, done = stream.read()
    assert not done
    eventually("nothing runs", lambda: mortal.running() == 0)


def events_of(node: Node, event: str) -> list[str]:
    """The processes to which it happened; root's own beginning has none."""
    log = node.restart_log()
    lines = [line for line in log if line["event"] == event and line["kind"] == "process"]
    return [line["child"] for line in lines if line["child"]]


def busy_worker(node: Node) -> str:
    """The worker that has a request; empty when none has."""
    status = json.loads(run_troupe("status", "--json", "--state", node.state).stdout)
    processes = status["processes"]
    busy = [p["name"] for p in processes if p["name"] != "front" and p["in_flight"]]
    return busy[0] if busy else ""


def test_a_spare_takes_over_without_waiting_for_a_start():
    with Node.of(SMOLLM2, "--context", "1024", config="[node]\nspare = 1") as node:
        eventually("all three serve", lambda: len(events_of(node, "progress")) == 3)
        with Client(node.zmq) as client:
            body = {**SAMPLED, "max_tokens": 600}
            whole = client.generate(PROMPT, **body)
            stream = client.stream(PROMPT, **body)
            next(stream)
            busy = eventually("a worker has it", lambda: busy_worker(node))
            # Whoever dies from now on does not come back.
            file = node.state / "effective.toml"
            file.write_text(file.read_text().replace("crash_at_start = 0", "crash_at_start = 1"))
            node.kill(busy)
            list(stream)
            assert stream.result.tokens == whole.tokens
        assert node.metrics()["troupe_resumed_requests_total"] == 1
        assert events_of(node, "child_terminated") == [busy]
        assert len(events_of(node, "progress")) == 3  # it is not back
        node.assert_conserved()
