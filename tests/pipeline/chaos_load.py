"""The load of chaos.py: streams that repeat their requests for ever, over ZeroMQ and over HTTP, and
compare every answer with an undisturbed run's."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from node import Node
from troupe_client import Client, TroupeError

# Prompt and answer stay within this many tokens: a resumed request reads at most so many again.
CONTEXT = 128
ANSWER_TOKENS = 96


@dataclass
class Figures:
    """What streams have seen, under one lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    answers: int = 0
    tokens: int = 0
    wrong: list[str] = field(default_factory=list)
    # Of each stream: (begin, end) of every silence, seconds of the monotonic clock.
    silences: list[list[tuple[float, float]]] = field(default_factory=list)

    def answer(self, tokens: int, objection: str) -> None:
        with self.lock:
            self.answers += 1
            self.tokens += tokens
        if objection:
            self.object(objection)

    def object(self, objection: str) -> None:
        with self.lock:
            self.wrong.append(objection)
        print("WRONG", objection, flush=True)


@dataclass(frozen=True)
class Whole:
    """An undisturbed run's answer."""

    text: str
    tokens: tuple[int, ...]


def body_of(stream: int) -> dict[str, Any]:
    """A request of its own for each stream: every fourth is greedy, the others are sampled."""
    sampling = {"temperature": 0.9, "top_p": 0.95, "seed": 7 + stream} if stream % 4 else {}
    return {
        "tokens": [100 + stream, 200 + stream, 300],
        "temperature": 0,
        **sampling,
        "max_tokens": ANSWER_TOKENS,
        "ignore_eos": True,
    }


class Listener:
    """Notes when pieces of one stream come."""

    def __init__(self, silences: list[tuple[float, float]]) -> None:
        self._silences = silences
        self._last: float | None = None
        self.heard_at = 0.0  # monotonic seconds of the latest piece

    def heard(self) -> None:
        now = self.heard_at = time.monotonic()
        if self._last is not None:
            self._silences.append((self._last, now))
        self._last = now

    def ended(self) -> None:
        self._last = None


def read_zeromq(client: Client, body: dict[str, Any], listener: Listener) -> Whole:
    """Asks again when the node accepts nothing, as over HTTP: nobody has promised anything then."""
    while True:
        begun = False
        try:
            with client.stream(**body) as stream:
                for _ in stream:
                    begun = True
                    listener.heard()
            listener.ended()
            assert stream.result is not None
            return Whole(stream.result.text, stream.result.tokens)
        except TroupeError as error:
            if begun or error.code != "unavailable":
                raise
            time.sleep(0.02)


class Broken(Exception):
    """A connection ended before its stream did."""


def read_events(
    node: Node, body: dict[str, Any], headers: dict[str, str], listener: Listener
) -> Iterator[tuple[str, Any]]:
    """Yields (event id, data) of one connection. Raises Broken when it ends early."""
    try:
        response, connection = node.request("POST", "/v1/completions", body, headers)
        if response.status == 503:
            response.read()
            raise Broken
        assert response.status == 200, response.read()
        last = ""
        for raw in response:
            line = raw.decode().rstrip("\r\n")
            if line.startswith("id: "):
                last = line[4:]
            elif line == "data: [DONE]":
                connection.close()
                return
            elif line.startswith("data: "):
                listener.heard()
                yield last, json.loads(line[6:])
    except (OSError, http.client.HTTPException) as error:
        raise Broken from error
    raise Broken


def read_http(node: Node, stream: int, key: str, listener: Listener) -> Whole:
    """As a client that comes back with its key and the last event that it has seen."""
    body = {**body_of(stream), "model": "test", "stream": True}
    body["prompt"] = body.pop("tokens")
    text, last = "", ""
    while True:
        headers = {"Idempotency-Key": key, **({"Last-Event-ID": last} if last else {})}
        try:
            for event, data in read_events(node, body, headers, listener):
                if "error" in data:
                    raise TroupeError(data["error"]["code"], data["error"]["message"])
                last = event or last
                text += "".join(choice["text"] for choice in data["choices"])
            listener.ended()
            return Whole(text, ())
        except Broken:
            time.sleep(0.02)  # until the front listens again


class Load:
    """Streams that never end: each repeats its request and compares."""

    def __init__(self, node: Node, streams: int, over_http: int) -> None:
        self.figures = Figures(silences=[[] for _ in range(streams)])
        self._node = node
        self._client = Client(node.zmq, connect_timeout_s=60)
        self._stop = threading.Event()
        self._over_http = over_http
        self._listeners = [Listener(silences) for silences in self.figures.silences]
        silent = Listener([])
        self._wholes = [read_zeromq(self._client, body_of(i), silent) for i in range(streams)]
        self._threads = [
            threading.Thread(target=self._read, args=(i,), daemon=True) for i in range(streams)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets each stream end its answer."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a stream hangs"
        self._client.close()

    def all_heard_since(self, moment: float) -> bool:
        return all(listener.heard_at > moment for listener in self._listeners)

    def _read(self, stream: int) -> None:
        whole = self._wholes[stream]
        listener = self._listeners[stream]
        turn = 0
        while not self._stop.is_set():
            turn += 1
            name = f"stream {stream}, answer {turn}"
            try:
                if stream < self._over_http:
                    answer = read_http(self._node, stream, f"{os.getpid()}-{name}", listener)
                    same = answer.text == whole.text
                else:
                    answer = read_zeromq(self._client, body_of(stream), listener)
                    same = answer == whole
                objection = "" if same else f"{name}: {answer} and not {whole}"
            except TroupeError as error:
                objection = f"{name}: {error.code}: {error.message}"
            except Exception as error:  # whatever it is, the stream has lost its answer
                objection = f"{name}: {error!r}"
            self.figures.answer(len(whole.tokens), objection)
