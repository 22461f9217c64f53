"""Stages that throw: whatever handler of whichever stage throws, and when, the clients read the
answers of an undisturbed run."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from node import HANG_S, SMOLLM2, Node, eventually
from troupe_client import Client, TroupeError

SAMPLED = {"temperature": 0.9, "top_p": 0.95, "seed": 42}
PROMPT = "Once upon a time there was a"
STREAMED = {
    "greedy": {"temperature": 0, "max_tokens": 60, "ignore_eos": True},
    "sampled": {**SAMPLED, "max_tokens": 60, "ignore_eos": True},
    "stop strings": {**SAMPLED, "max_tokens": 120, "stop": ["\n\n", "the end", " and he "]},
    "logprobs": {**SAMPLED, "max_tokens": 40, "ignore_eos": True, "logprobs": 2},
    "several answers": {**SAMPLED, "max_tokens": 40, "ignore_eos": True, "n": 3},
}
SHORT = {"model": "test", "prompt": "The sky is", "max_tokens": 4, "temperature": 0}
# At every Nth message of a kind: seldom enough for the stages to stay below the hundred failures in
# ten seconds that end the front.
EVERY = 307
# What can be made to throw in each stage of the front by ordinary traffic.
HANDLERS = {
    "gateway": {"ReplyChunks", "frame", "put", "leave", "NodeReadiness", "tick"},
    "preprocess": {"GenerateRequest"},
    "dispatch": {
        *("TokenizedRequest", "Failure", "CancelRequest", "TokenFrame", "ReplyFinished"),
        *("WorkerHello", "WorkerBeat", "Released", "SiblingDown", "tick"),
    },
    "aggregate": {"ReplyPlan", "JournaledTokens", "Failure"},
}


def events_of(node: Node, body: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """What a stream says of each choice: texts whole, and how often it ended."""
    stream = node.stream("/v1/completions", {"model": "test", "prompt": PROMPT, **body})
    assert stream.status == 200
    choices: dict[int, dict[str, Any]] = {}
    *events, done = stream.rest()
    assert done == "[DONE]"
    for event in map(json.loads, events):
        assert "error" not in event, event
        for choice in event["choices"]:
            seen = choices.setdefault(choice["index"], {"text": "", "tokens": [], "ends": []})
            seen["text"] += choice["text"]
            seen["tokens"] += (choice["logprobs"] or {}).get("tokens", [])
            seen["ends"] += [choice["finish_reason"]] if choice["finish_reason"] else []
    return choices


def by_zmq(node: Node, body: dict[str, Any]) -> tuple[str, list[int], str]:
    with Client(node.zmq) as client:
        with client.stream(PROMPT, **body) as stream:
            text = "".join(chunk.text for chunk in stream)
        assert stream.result is not None and stream.result.text == text
        return text, stream.result.tokens, stream.result.finish_reason


def whole(node: Node, body: dict[str, Any]) -> Any:
    status, answer = node.ask("/v1/completions", {"model": "test", "prompt": PROMPT, **body})
    assert status == 200, answer
    return answer["choices"], answer["usage"]["completion_tokens"]


def answers(node: Node) -> dict[str, Any]:
    """All kinds of answers through both doors, side by side."""
    asks: dict[str, Callable[[], Any]] = {}
    for kind, body in STREAMED.items():
        asks[f"http {kind}"] = lambda body=body: events_of(node, body)
    for kind in ("greedy", "sampled", "stop strings"):
        asks[f"zmq {kind}"] = lambda body=STREAMED[kind]: by_zmq(node, body)
    asks["whole"] = lambda: whole(node, STREAMED["several answers"])
    given: dict[str, Any] = {}

    def ask(name: str) -> None:
        try:
            given[name] = asks[name]()
        except BaseException as error:
            given[name] = error

    threads = [threading.Thread(target=ask, args=(name,)) for name in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * HANG_S)
    return given


def hang_up(node: Node) -> None:
    """A client that goes away, and so a cancelled request."""
    stream = node.stream("/v1/completions", {**SHORT, "max_tokens": 500, "ignore_eos": True})
    stream.next()
    stream.close()
    eventually("it was cancelled", lambda: node.running() == 0)


def too_long(node: Node) -> None:
    """A prompt that preprocess refuses."""
    assert node.ask("/v1/completions", {**SHORT, "prompt": "word " * 3000})[0] == 400


def exceptions(node: Node, supervisor: str = "front") -> list[dict[str, Any]]:
    lines = [line for line in node.restart_log() if line["supervisor"] == supervisor]
    return [line for line in lines if line["reason_code"] == "exception"]


def thrown(node: Node, stage: str, supervisor: str = "front") -> set[str]:
    """The kinds of message at which it has thrown, from restart.log."""
    lines = [line for line in exceptions(node, supervisor) if line["child"].startswith(stage)]
    return {line["reason_text"].removeprefix("a fault on purpose at ") for line in lines}


def node_that_throws(**faults: Any) -> Any:
    lines = [f"{key} = {json.dumps(value)}" for key, value in faults.items()]
    return Node.of(SMOLLM2, "--context", "1024", config="\n".join(["[faults]", *lines]))


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    with Node.of(SMOLLM2, "--context", "1024") as node:
        first = answers(node)
        assert not [error for error in first.values() if isinstance(error, BaseException)]
        assert answers(node) == first
        assert exceptions(node) == []
        return first


@pytest.mark.parametrize("stage", list(HANDLERS))
def test_exceptions_in_every_handler_of_a_stage_cost_no_client_anything(stage, undisturbed):
    with node_that_throws(throw_in=stage, throw_first=1, throw_every=EVERY) as node:
        front = node.pid_of("front")
        for _ in range(2):
            assert answers(node) == undisturbed
        hang_up(node)
        too_long(node)
        killed = node.kill("worker-0")
        eventually("another worker runs", lambda: node.pid_of("worker-0") not in (0, killed))
        assert answers(node) == undisturbed
        eventually("all kinds have thrown", lambda: thrown(node, stage) >= HANDLERS[stage])
        assert node.pid_of("front") == front
        node.assert_conserved()
        for line in exceptions(node):
            assert line["kind"] == "actor" and line["id"] > 0 and line["backoff_ms"] == 0
        restarts = node.metric_lines("troupe_restarts_total")
        children = {line["child"] for line in exceptions(node)}
        for child in children:
            assert restarts[f'troupe_restarts_total{{child="{child}",reason="exception"}}'] > 0


@pytest.mark.parametrize(
    ("stage", "place"),
    [
        *(("dispatch", place) for place in ("core", "journal", "send")),
        *(("aggregate", place) for place in ("core", "send")),
        ("preprocess", "send"),
        ("gateway", "send"),
    ],
)
def test_exceptions_within_the_handlers_of_a_stage_cost_no_client_anything(
    stage, place, undisturbed
):
    with node_that_throws(
        throw_in=stage, throw_at=place, throw_first=1, throw_every=EVERY
    ) as node:
        front = node.pid_of("front")
        for _ in range(2):
            assert answers(node) == undisturbed
        hang_up(node)
        killed = node.kill("worker-0")
        eventually("another worker runs", lambda: node.pid_of("worker-0") not in (0, killed))
        assert answers(node) == undisturbed
        kinds = thrown(node, stage)
        assert kinds and all(kind.endswith(f".{place}") for kind in kinds)
        assert node.pid_of("front") == front
        node.assert_conserved()


def test_stages_that_throw_side_by_side_cost_no_client_anything(undisturbed):
    stages = "gateway,preprocess,dispatch,aggregate"
    with node_that_throws(throw_in=stages, throw_first=1, throw_every=EVERY) as node:
        front = node.pid_of("front")
        for _ in range(3):
            assert answers(node) == undisturbed
        assert "ReplayRequest" in thrown(node, "dispatch")
        assert node.pid_of("front") == front
        node.assert_conserved()


@pytest.mark.parametrize(
    ("stage", "kinds"),
    [
        ("batch", {"WorkerWelcome", "WorkItem", "CancelWork", "BatchResult", "tick"}),
        ("infer", {"Batch"}),
    ],
)
def test_exceptions_in_every_handler_of_a_worker_restart_it_and_cost_no_client_anything(
    stage, kinds, undisturbed
):
    with node_that_throws(throw_in=stage, throw_first=1) as node:
        assert answers(node) == undisturbed
        hang_up(node)
        eventually("all kinds have thrown", lambda: thrown(node, stage, "worker-0") >= kinds)
        assert answers(node) == undisturbed
        ends = [line for line in node.restart_log() if line["event"] == "child_terminated"]
        assert {line["exit_code"] for line in ends if line["child"] == "worker-0"} == {70}
        node.assert_conserved()


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        ("preprocess", "GenerateRequest"),
        ("dispatch", "TokenizedRequest"),
        ("aggregate", "ReplyPlan"),
    ],
)
def test_a_request_that_throws_again_and_again_fails_alone(stage, kind, undisturbed):
    faults = {"throw_in": stage, "throw_on": kind, "throw_every": 14, "throw_always": 1}
    with node_that_throws(**faults) as node:
        front = node.pid_of("front")
        pool = 2 if stage == "preprocess" else 1  # each member counts its own
        given = answers(node)  # of thirteen requests
        assert given == undisturbed
        codes = []
        for _ in range(14 * pool):
            status, answer = node.ask("/v1/completions", SHORT)
            codes.append(status if status == 200 else answer["error"]["code"])
        assert set(codes) == {200, "internal"}
        assert codes.count("internal") in (1, 2)
        with Client(node.zmq) as client, pytest.raises(TroupeError) as caught:
            for _ in range(14 * pool):
                client.generate("The sky is", max_tokens=4)
        assert caught.value.code == "internal"
        assert node.pid_of("front") == front
        node.assert_conserved()


def test_a_call_over_which_the_gateway_throws_again_and_again_fails_alone(undisturbed):
    faults = {"throw_in": "gateway", "throw_on": "put", "throw_every": 25, "throw_always": 1}
    with node_that_throws(**faults) as node:
        front = node.pid_of("front")
        endless = {**SHORT, "max_tokens": 300, "ignore_eos": True}
        stream = node.stream("/v1/completions", endless)
        while stream.status != 200:  # it was the one that the gateway throws over
            stream = node.stream("/v1/completions", endless)
        codes = []
        for _ in range(25):
            status, answer = node.ask("/v1/completions", SHORT)
            codes.append(status if status == 200 else answer["error"]["code"])
        assert codes.count("internal") == 1 and codes.count(200) == 24
        assert stream.rest()[-1] == "[DONE]"
        assert node.pid_of("front") == front


@pytest.mark.parametrize("stage", ["dispatch", "aggregate", "aggregate.send"])
def test_an_answer_that_throws_by_a_token_ends_alone_and_does_not_keep_the_next_front_down(
    stage, undisturbed
):
    text, tokens, _ = undisturbed["zmq greedy"]
    others = {token for token in undisturbed["zmq sampled"][1]}
    deadly = next(token for token in tokens[5:] if token not in others)
    with node_that_throws(throw_in=stage, throw_token=deadly) as node, Client(node.zmq) as client:
        with pytest.raises(TroupeError) as caught:
            client.generate(PROMPT, **STREAMED["greedy"])
        assert caught.value.code == "internal"
        assert exceptions(node) == []
        assert by_zmq(node, STREAMED["sampled"]) == undisturbed["zmq sampled"]
        killed = node.kill("front")  # whose ledger has that answer
        eventually("another front runs", lambda: node.pid_of("front") not in (0, killed))
        eventually("it is ready", node.is_ready)
        assert by_zmq(node, STREAMED["sampled"]) == undisturbed["zmq sampled"]
        deaths = [line for line in node.restart_log() if line["signal"]]
        assert [line["child"] for line in deaths] == ["front"]
        node.assert_conserved()


def test_a_stage_that_only_throws_ends_the_front_which_root_restarts():
    faults = {"throw_in": "preprocess", "throw_every": 1, "throw_always": 1}
    with node_that_throws(**faults) as node:
        front = node.pid_of("front")

        def worn_out() -> bool:
            try:
                node.ask("/v1/completions", SHORT)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            return node.pid_of("front") not in (0, front)

        eventually("root has started another front", worn_out)
        (death,) = [
            line
            for line in node.restart_log()
            if line["child"] == "front" and line["event"] == "child_terminated"
        ][:1]
        assert death["exit_code"] == 70


def test_a_drain_goes_on_when_the_gateway_throws_at_it():
    with node_that_throws(throw_in="gateway", throw_on="Drain", throw_first=1) as node:
        log = node.folder / "logs" / "restart.log"
        node.process.terminate()
        assert node.process.wait(HANG_S) == 0
        assert "a fault on purpose at Drain" in log.read_text()
