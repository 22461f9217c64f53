"""Streams that survive their worker: whoever is killed, and when, the client reads the answer of an
undisturbed run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from node import HANG_S, SMOLLM2, Node, eventually
from troupe_client import Client, TroupeError

GREEDY = {"temperature": 0}
SAMPLED = {"temperature": 0.9, "top_p": 0.95, "seed": 42}
PROMPT = "Once upon a time there was a"
POISON = 4242  # a token id that [faults] of these tests makes deadly

REQUESTS = {
    "greedy": {**GREEDY, "max_tokens": 60, "ignore_eos": True},
    "sampled": {**SAMPLED, "max_tokens": 60, "ignore_eos": True},
    "stop strings": {**SAMPLED, "max_tokens": 200, "stop": ["\n\n", "the end", " and he "]},
    "penalties": {**SAMPLED, "max_tokens": 60, "ignore_eos": True, "frequency_penalty": 0.7},
    "logprobs": {**SAMPLED, "max_tokens": 40, "ignore_eos": True, "logprobs": 2},
    "several answers": {**SAMPLED, "max_tokens": 40, "ignore_eos": True, "n": 3},
}


@pytest.fixture(scope="module")
def mortal() -> Iterator[Node]:
    """A node whose worker these tests kill."""
    with Node.of(SMOLLM2, "--context", "1024") as node:
        yield node
        node.assert_conserved()


def kill_worker(node: Node) -> None:
    """Kills the worker that runs now, and waits until another one is there."""
    killed = node.kill("worker-0")
    eventually("another worker runs", lambda: node.pid_of("worker-0") not in (0, killed))


def read(node: Node, body: dict[str, Any], kills: int = 0) -> dict[int, dict[str, Any]]:
    """What a stream says of each choice. The worker is killed `kills` times in its course."""
    stream = node.stream("/v1/completions", {"model": "test", "prompt": PROMPT, **body})
    assert stream.status == 200
    choices: dict[int, dict[str, Any]] = {}
    events = 0
    while (event := stream.next()) != "[DONE]":
        data = json.loads(event)
        assert "error" not in data, data
        events += 1
        if events in range(5, 5 + 7 * kills, 7):
            kill_worker(node)
        for choice in data["choices"]:
            seen = choices.setdefault(choice["index"], {"text": "", "tokens": [], "logprobs": []})
            seen["text"] += choice["text"]
            seen["finish"] = choice["finish_reason"]
            if choice["logprobs"]:
                seen["tokens"] += choice["logprobs"]["tokens"]
                seen["logprobs"] += choice["logprobs"]["token_logprobs"]
    return choices


@pytest.mark.parametrize("kind", list(REQUESTS))
def test_a_stream_goes_on_over_http_when_its_worker_is_killed(mortal, kind):
    undisturbed = read(mortal, REQUESTS[kind])
    resumed = mortal.metrics()["troupe_resumed_requests_total"]
    assert read(mortal, REQUESTS[kind], kills=2) == undisturbed
    assert all(choice["finish"] in ("stop", "length") for choice in undisturbed.values())
    assert mortal.metrics()["troupe_resumed_requests_total"] > resumed


@pytest.mark.parametrize("kind", ["greedy", "sampled", "stop strings", "penalties"])
def test_a_stream_goes_on_over_zeromq_when_its_worker_is_killed(mortal, kind):
    with Client(mortal.zmq) as client:
        undisturbed = client.generate(PROMPT, **REQUESTS[kind])
        resumed = mortal.metrics()["troupe_resumed_requests_total"]
        with client.stream(PROMPT, **REQUESTS[kind]) as stream:
            for count, chunk in enumerate(stream, 1):
                if count in (5, 12):
                    kill_worker(mortal)
        assert stream.result is not None
        assert stream.result.text == undisturbed.text
        assert stream.result.tokens == undisturbed.tokens
        assert stream.result.finish_reason == undisturbed.finish_reason
        assert stream.result.usage.completion_tokens == undisturbed.usage.completion_tokens
        assert mortal.metrics()["troupe_resumed_requests_total"] > resumed


def test_a_whole_answer_is_whole_when_its_worker_is_killed(mortal):
    body = {"model": "test", "prompt": PROMPT, **REQUESTS["sampled"], "max_tokens": 300}
    status, undisturbed = mortal.ask("/v1/completions", body)
    assert status == 200
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(mortal.ask("/v1/completions", body)))
    thread.start()
    eventually("it runs", lambda: mortal.running() == 1)
    kill_worker(mortal)
    thread.join(4 * HANG_S)
    assert answers and answers[0][0] == 200
    assert answers[0][1]["choices"] == undisturbed["choices"]
    assert answers[0][1]["usage"]["completion_tokens"] == 300


def test_sixteen_streams_go_on_when_their_worker_is_killed_again_and_again(mortal):
    bodies = [{"tokens": [100 + i, 200 + i], **SAMPLED, "max_tokens": 48} for i in range(16)]
    with Client(mortal.zmq) as client:
        undisturbed = [client.generate(**body, ignore_eos=True).tokens for body in bodies]
        before = mortal.metrics()["troupe_generated_tokens_total"]
        streams = [client.stream(**body, ignore_eos=True) for body in bodies]
        for tokens in (60, 200, 400):
            eventually(
                f"{tokens} tokens are there",
                lambda tokens=tokens: mortal.metrics()["troupe_generated_tokens_total"]
                >= before + tokens,
            )
            kill_worker(mortal)
        for stream, tokens in zip(streams, undisturbed):
            list(stream)
            assert stream.result.tokens == tokens
        # None was journalled twice, none is missing.
        total = mortal.metrics()["troupe_generated_tokens_total"] - before
        assert total == sum(len(tokens) for tokens in undisturbed)


def test_a_poison_request_among_sixteen_is_alone_quarantined():
    with Node.of(SMOLLM2, "--context", "1024", config=f"[faults]\npoison_token = {POISON}") as node:
        bodies = [{"tokens": [100 + i, 200 + i], **SAMPLED, "max_tokens": 32} for i in range(15)]
        with Client(node.zmq) as client:
            undisturbed = [client.generate(**body, ignore_eos=True).tokens for body in bodies]
            streams = [client.stream(**body, ignore_eos=True) for body in bodies]
            eventually("fifteen run", lambda: node.running() == 15)
            poison = client.stream(tokens=[POISON], max_tokens=32, ignore_eos=True)
            with pytest.raises(TroupeError) as caught:
                list(poison)
            assert caught.value.code == "quarantined"
            for stream, tokens in zip(streams, undisturbed):
                list(stream)
                assert stream.result.tokens == tokens
        node.assert_conserved()
        metrics = node.metric_lines("troupe_requests_finished_total")
        assert metrics['troupe_requests_finished_total{reason="quarantined"}'] == 1
        assert metrics['troupe_requests_finished_total{reason="error"}'] == 0


def test_a_lone_poison_request_is_quarantined_and_clients_are_told_not_to_repeat_it():
    with Node.of(SMOLLM2, "--context", "1024", config=f"[faults]\npoison_token = {POISON}") as node:
        body = {"model": "test", "prompt": [POISON], "max_tokens": 4}
        response, connection = node.request("POST", "/v1/completions", body)
        error = json.loads(response.read())["error"]
        connection.close()
        assert response.status == 500 and error["code"] == "quarantined"
        assert response.getheader("x-should-retry") == "false"
        deaths = [e for e in node.restart_log() if e["event"] == "child_terminated"]
        assert len(deaths) == 2
        assert node.ask("/v1/completions", {**body, "prompt": "Hi"})[0] == 200
        node.assert_conserved()


def test_a_worker_that_dies_at_every_start_ends_in_503_with_the_reason():
    with Node.of(SMOLLM2, "--context", "1024") as node, Client(node.zmq) as client:
        stream = client.stream("Count:", max_tokens=900, ignore_eos=True)
        next(stream)
        # What a worker reads that starts from now on.
        file = node.state / "effective.toml"
        healthy = file.read_text()
        file.write_text(healthy.replace("crash_at_start = 0", "crash_at_start = 1"))
        assert file.read_text() != healthy
        node.kill("worker-0")
        with pytest.raises(TroupeError) as caught:
            list(stream)
        assert caught.value.code == "unavailable"
        why = "worker-0 is not started again (killed by SIGABRT"
        assert why in caught.value.message

        def refusal() -> str:
            status, answer = node.ask("/v1/completions", {"model": "test", "prompt": "Hi"})
            assert status == 503
            return answer["error"]["message"]

        eventually("the door knows why", lambda: why in refusal())
        starts = [e for e in node.restart_log() if e["event"] == "start_error"]
        assert len(starts) == 11  # one more than the intensity bears
        node.assert_conserved()
        # The next front hears it, too.
        killed = node.kill("front")
        eventually("another front runs", lambda: node.pid_of("front") not in (0, killed))
        eventually("it listens", lambda: listens(node))
        eventually("it knows why", lambda: why in refusal())


def listens(node: Node) -> bool:
    try:
        return node.ask("/health/live")[0] == 200
    except OSError:
        return False
