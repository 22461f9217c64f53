"""A server that answers as a test tells it to: a ROUTER on a free port of this machine."""

from __future__ import annotations

from typing import Any

import msgpack
import zmq

from troupe_client import protocol

# A frame that does not come within this many milliseconds never will: a guard against hanging.
RECEIVE_MS_MAX = 10_000
WELCOME = {
    "version": "test",
    "model": "fake",
    "context_max": 2048,
    "frame_bytes_max": 4096,
    "credit": 2,
}


class FakeServer:
    """Steps through a conversation: `receive` what the client sent, `send` what a server might."""

    def __init__(self, endpoint: str = "tcp://127.0.0.1:*", epoch: int = 1) -> None:
        self.epoch = epoch
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._router.setsockopt(zmq.RCVTIMEO, RECEIVE_MS_MAX)
        self._router.bind(endpoint)
        self.endpoint = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        self.client = b""

    def receive(self, kind: str) -> dict[str, Any]:
        """The body of the next frame, which must be of this kind."""
        self.client, data = self._router.recv_multipart()
        frame = protocol.decode(data)
        assert frame.kind == kind, f"expected {kind}, got {frame.kind}: {frame.body}"
        assert frame.epoch == 0
        return frame.body

    def greet(self, **limits: Any) -> dict[str, Any]:
        """Answers the client's hello and returns it."""
        hello = self.receive("hello")
        self.send("welcome", **{**WELCOME, **limits})
        return hello

    def send(self, kind: str, **body: Any) -> None:
        self.send_raw(protocol.encode(kind, body, self.epoch))

    def send_raw(self, data: bytes) -> None:
        self._router.send_multipart([self.client, data])

    def send_chunk(
        self, request_id: str, text: str, offset: int, tokens: list[int], token_begin: int = 0
    ) -> None:
        self.send(
            "chunk",
            id=request_id,
            choice=0,
            text_offset=offset,
            text=text,
            token_begin=token_begin,
            token_end=token_begin + len(tokens),
            tokens=protocol.pack_tokens(tokens),
        )

    def send_final(self, request_id: str, reason: str = "stop") -> None:
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        self.send("final", id=request_id, choice=0, reason=reason, usage=usage)

    def answer(self, text: str = "Tokyo.") -> dict[str, Any]:
        """Takes one request and answers it whole."""
        body = self.receive("generate")
        self.send("accepted", id=body["id"])
        self.send_chunk(body["id"], text, 0, [7, 8])
        self.send_final(body["id"])
        return body

    def close(self) -> None:
        self._router.close()
        self._context.term()

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def raw_frame(kind: int, body: Any, magic: bytes = b"TRPE", major: int = 1) -> bytes:
    """A frame that protocol.encode would refuse to make."""
    return protocol.HEADER.pack(magic, major, 0, kind, 1) + msgpack.packb(body)
