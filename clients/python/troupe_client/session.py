"""What a client knows about its requests: a pure state machine between the frames and the two
shells (threads, asyncio).

The shells own sockets and clocks; this owns which requests wait, which are open, and what each
frame means for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Union

from troupe_client import protocol
from troupe_client.protocol import Chunk, Result, TroupeError, Usage, Welcome

# What a request's owner hears: chunks, then exactly one Result or TroupeError.
Event = Union[Chunk, Result, TroupeError]


@dataclass
class Open:
    """A request that was sent and has not ended."""

    body: Mapping[str, Any]  # of its `generate`, to be sent again to the server's next incarnation
    cancelled: bool = False
    resumed: bool = False
    text_bytes: int = 0  # UTF-8 bytes that have arrived
    text: list[str] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    accepted: bool = False

    def result(self, reason: str, usage: Usage) -> Result:
        return Result("".join(self.text), tuple(self.tokens), reason, usage)


class Session:
    """Requests of one connection. Every method returns at once; frames to send are collected in
    `outbox`."""

    def __init__(self, client: str, version: str) -> None:
        self.outbox: deque[bytes] = deque()
        self.events: deque[tuple[str, Event]] = deque()
        self.welcome: Welcome | None = None
        self._client = client
        self._version = version
        # Not sent yet, in order: no welcome or no credit.
        self._waiting: dict[str, Mapping[str, Any]] = {}
        self._open: dict[str, Open] = {}
        self._abandoned: list[str] = []  # to be cancelled when a server is there again

    def connected(self) -> None:
        """A connection stands, perhaps to another incarnation of the server: introduce
        ourselves."""
        hello = {"version": self._version, "client": self._client}
        self.outbox.append(protocol.encode("hello", hello))

    def disconnected(self) -> None:
        """The connection is gone: what is open is asked for again with the next welcome, from where
        it stopped. Whoever waits for it decides how long."""
        self.welcome = None
        self.outbox.clear()

    def start(self, body: Mapping[str, Any]) -> None:
        """Sends a `generate` as soon as the server's credit allows. Raises ValueError for an id
        that is in use."""
        request_id = body["id"]
        if request_id in self._waiting or request_id in self._open:
            raise ValueError(f"request id {request_id!r} is in use")
        self._waiting[request_id] = body
        self._send_waiting()

    def cancel_all(self) -> None:
        for request_id in [*self._waiting, *self._open]:
            self.cancel(request_id)

    def cancel(self, request_id: str) -> None:
        """Asks the server to stop; the end arrives as a Result with finish_reason cancelled.
        Unknown ids are over already and are ignored."""
        if self._waiting.pop(request_id, None) is not None:
            self.events.append((request_id, Result(finish_reason="cancelled")))
        elif request_id in self._open:
            self._open[request_id].cancelled = True
            if self.welcome is not None:
                self.outbox.append(protocol.encode("cancel", {"id": request_id}))

    def abandon(self, request_id: str) -> None:
        """As cancel, of a request whose end nobody waits for."""
        if self.welcome is None and self._open.pop(request_id, None) is not None:
            self._abandoned.append(request_id)
        self.cancel(request_id)

    def give_up(self, why: str) -> None:
        """No server came back: what was open ends here; what was never sent still waits."""
        self._abandoned += self._open
        self._fail(list(self._open), "unavailable", why)

    def fail_all(self, code: str, why: str) -> None:
        """Ends every request, sent or not."""
        waiting, self._waiting = list(self._waiting), {}
        for request_id in waiting:
            self.events.append((request_id, TroupeError(code, why)))
        self._fail(list(self._open), code, why)

    def receive(self, data: bytes) -> None:
        """Takes one frame from the server. Bytes that are no frame end every open request: one of
        them lost a piece of its answer, and nobody can say which."""
        try:
            frame = protocol.decode(data)
            self._take(frame)
        except protocol.ProtocolError as error:
            why = f"the server sent an unreadable frame: {error}"
            self._fail(list(self._open), "malformed", why)

    def _take(self, frame: protocol.Frame) -> None:
        if frame.kind == "welcome":
            self._take_welcome(protocol.read_welcome(frame))
        elif frame.kind == "ping":
            nonce = protocol.take(frame.body, "nonce", 0)
            self.outbox.append(protocol.encode("pong", {"nonce": nonce}))
        elif frame.kind == "error":
            self._take_error(protocol.take(frame.body, "id", ""), protocol.read_error(frame))
        elif frame.kind in ("accepted", "chunk", "final"):
            request_id = protocol.take(frame.body, "id", "")
            request = self._open.get(request_id)
            if request is not None:  # otherwise it ended here and the server does not know yet
                self._take_answer(request_id, request, frame)
        # Other kinds belong to later minor versions and are ignored.

    def _take_welcome(self, welcome: Welcome) -> None:
        """After each connection. Requests that are open go on: their server may be a new
        incarnation, which knows them from its ledger and never runs one twice."""
        self.welcome = welcome
        for request_id in self._abandoned:
            self.outbox.append(protocol.encode("cancel", {"id": request_id}))
        self._abandoned.clear()
        for request_id, request in self._open.items():
            request.resumed = True
            body = {**request.body, "resume_from": request.text_bytes}
            self.outbox.append(protocol.encode("generate", body))
            if request.cancelled:
                self.outbox.append(protocol.encode("cancel", {"id": request_id}))
        self._send_waiting()

    def _take_error(self, request_id: str, error: TroupeError) -> None:
        """An error without an id answers a frame that the server could not read: one that it has
        not accepted."""
        if request_id:
            ended = [request_id] if request_id in self._open else []
            if ended and self._open[request_id].resumed and error.code == "invalid":
                error = TroupeError("unavailable", f"the server has forgotten it: {error.message}")
        else:
            ended = [key for key, request in self._open.items() if not request.accepted]
        for key in ended:
            self._end(key, error)

    def _take_answer(self, request_id: str, request: Open, frame: protocol.Frame) -> None:
        request.accepted = True
        if frame.kind == "chunk":
            chunk = protocol.read_chunk(frame)
            # A chunk that goes on begins at a piece's border: some of its tokens may be known.
            known = max(0, len(request.tokens) - chunk.token_begin) if request.resumed else 0
            if known:
                chunk = replace(
                    chunk, tokens=chunk.tokens[known:], token_begin=chunk.token_begin + known
                )
            if chunk.text_offset != request.text_bytes:
                self.outbox.append(protocol.encode("cancel", {"id": request_id}))
                why = f"the answer jumps from byte {request.text_bytes} to {chunk.text_offset}"
                self._end(request_id, TroupeError("malformed", why))
                return
            request.text_bytes += len(chunk.text.encode())
            request.text.append(chunk.text)
            request.tokens.extend(chunk.tokens)
            self.events.append((request_id, chunk))
        elif frame.kind == "final":
            reason, usage = protocol.read_final(frame)
            self._end(request_id, request.result(reason, usage))

    def _end(self, request_id: str, event: Event) -> None:
        del self._open[request_id]
        self.events.append((request_id, event))
        self._send_waiting()

    def _fail(self, request_ids: list[str], code: str, why: str) -> None:
        for request_id in request_ids:
            self._end(request_id, TroupeError(code, why))

    def _send_waiting(self) -> None:
        if self.welcome is None:
            return
        credit = self.welcome.credit or 1
        bytes_max = self.welcome.frame_bytes_max
        while self._waiting and len(self._open) < credit:
            request_id, body = next(iter(self._waiting.items()))
            del self._waiting[request_id]
            frame = protocol.encode("generate", body)
            if bytes_max and len(frame) > bytes_max:
                why = f"the request has {len(frame)} bytes, the server takes {bytes_max}"
                self.events.append((request_id, TroupeError("too_large", why)))
                continue
            self._open[request_id] = Open(body)
            self.outbox.append(frame)

