"""Frames of Troupe's public ZeroMQ protocol: bytes in, values out. Pure: no socket, no clock.

Source of the format: docs/protocol.md. A frame is a 16-byte little-endian header (magic "TRPE",
major, minor, kind, epoch) and a msgpack map.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

MAGIC = b"TRPE"
VERSION_MAJOR = 1
VERSION_MINOR = 0
HEADER = struct.Struct("<4sBBHQ")

# The numbers are the protocol's and never change.
KINDS = {
    "hello": 1,
    "welcome": 2,
    "generate": 3,
    "accepted": 4,
    "chunk": 5,
    "final": 6,
    "error": 7,
    "cancel": 8,
    "ping": 9,
    "pong": 10,
}
KIND_NAMES = {number: name for name, number in KINDS.items()}

# Nothing that a server says nests deeper or is longer: a hostile server must not exhaust its
# clients.
BODY_BYTES_MAX = 8 << 20


class TroupeError(Exception):
    """A request that ended without its whole answer.

    `code` is one of the server's: invalid, too_large, overload, draining, unavailable, deadline,
    worker_lost, internal, malformed; or the client's own: timeout, unavailable (no server, or the
    connection was lost), closed, malformed. `retry_after_ms` is the server's advice in
    milliseconds, 0 when it gave none.
    """

    def __init__(self, code: str, message: str, retry_after_ms: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms


class ProtocolError(ValueError):
    """Bytes that are no frame of this protocol; the text says why."""


@dataclass(frozen=True)
class Usage:
    """Tokens that a request took."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True)
class Chunk:
    """A piece of an answer. `text_offset` counts UTF-8 bytes of the answer before `text`; `tokens`
    are the ids of positions [token_begin, token_end) of the answer. A chunk may have tokens and no
    text: text that may still become a stop string or half a character is held back."""

    text: str = ""
    tokens: tuple[int, ...] = ()
    text_offset: int = 0
    token_begin: int = 0
    token_end: int = 0
    choice: int = 0


@dataclass(frozen=True)
class Result:
    """A whole answer. `finish_reason` is stop, length or cancelled."""

    text: str = ""
    tokens: tuple[int, ...] = ()
    finish_reason: str = ""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Welcome:
    """The server's limits: `context_max` in tokens (prompt + answer), `frame_bytes_max` in bytes,
    `credit` in requests that one client may have open at once. `epoch` is the incarnation of the
    server."""

    version: str = ""
    model: str = ""
    context_max: int = 0
    frame_bytes_max: int = 0
    credit: int = 0
    epoch: int = 0


@dataclass(frozen=True)
class Frame:
    """A frame that was read: `kind` is a name of KINDS, or "unknown"; the body's keys are
    strings."""

    kind: str
    body: dict[str, Any]
    epoch: int = 0


def encode(kind: str, body: Mapping[str, Any], epoch: int = 0) -> bytes:
    """One frame; clients leave `epoch` 0. Raises KeyError for a kind that the protocol does not
    have."""
    header = HEADER.pack(MAGIC, VERSION_MAJOR, VERSION_MINOR, KINDS[kind], epoch)
    return header + msgpack.packb(dict(body), use_bin_type=True)


def decode(data: bytes) -> Frame:
    """Reads one frame. Raises ProtocolError for anything that is none, whatever the bytes are."""
    if len(data) < HEADER.size:
        raise ProtocolError(f"the frame has {len(data)} bytes, its header alone has {HEADER.size}")
    magic, major, _minor, kind, epoch = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ProtocolError(f"the frame begins with {magic!r}, not {MAGIC!r}")
    if major != VERSION_MAJOR:
        raise ProtocolError(f"the frame has major version {major}, not {VERSION_MAJOR}")
    if len(data) > HEADER.size + BODY_BYTES_MAX:
        raise ProtocolError(f"the frame has {len(data)} bytes, more than {BODY_BYTES_MAX}")
    try:
        body = msgpack.unpackb(data[HEADER.size :], raw=False, strict_map_key=True)
    except Exception as error:  # msgpack raises a dozen types for bytes that are no msgpack
        raise ProtocolError(f"the body is not msgpack: {error or type(error).__name__}") from error
    if not isinstance(body, dict) or not all(isinstance(key, str) for key in body):
        raise ProtocolError("the body is not a msgpack map with string keys")
    return Frame(KIND_NAMES.get(kind, "unknown"), body, epoch)


def pack_tokens(tokens: Iterable[int]) -> bytes:
    """Token ids as little-endian int32. Raises OverflowError for an id that has more bits."""
    ids = array("i", tokens)
    if sys.byteorder == "big":
        ids.byteswap()
    return ids.tobytes()


def unpack_tokens(data: Any) -> tuple[int, ...]:
    """Inverse of pack_tokens. Raises ProtocolError for what is no `bin` of whole int32."""
    if not isinstance(data, bytes) or len(data) % 4 != 0:
        raise ProtocolError("tokens are not a bin of little-endian int32")
    return struct.unpack(f"<{len(data) // 4}i", data)


def take(body: Mapping[str, Any], key: str, default: Any) -> Any:
    """A field of the default's type; the default when it is absent. Raises ProtocolError for
    another type."""
    value = body.get(key, default)
    if type(value) is not type(default):
        found, wanted = type(value).__name__, type(default).__name__
        raise ProtocolError(f"field {key} is a {found}, not a {wanted}")
    return value


def read_welcome(frame: Frame) -> Welcome:
    body = frame.body
    return Welcome(
        version=take(body, "version", ""),
        model=take(body, "model", ""),
        context_max=take(body, "context_max", 0),
        frame_bytes_max=take(body, "frame_bytes_max", 0),
        credit=take(body, "credit", 0),
        epoch=frame.epoch,
    )


def read_chunk(frame: Frame) -> Chunk:
    body = frame.body
    return Chunk(
        text=take(body, "text", ""),
        tokens=unpack_tokens(body.get("tokens", b"")),
        text_offset=take(body, "text_offset", 0),
        token_begin=take(body, "token_begin", 0),
        token_end=take(body, "token_end", 0),
        choice=take(body, "choice", 0),
    )


def read_final(frame: Frame) -> tuple[str, Usage]:
    """The finish reason and what the request took."""
    usage = take(frame.body, "usage", {})
    fields = ("prompt_tokens", "completion_tokens", "total_tokens")
    return take(frame.body, "reason", ""), Usage(*(take(usage, name, 0) for name in fields))


def read_error(frame: Frame) -> TroupeError:
    return TroupeError(
        take(frame.body, "code", "internal"),
        take(frame.body, "message", ""),
        take(frame.body, "retry_after_ms", 0),
    )


# Sampling fields and the Python type that each is sent as.
SAMPLING: dict[str, Any] = {
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "min_p": float,
    "repetition_penalty": float,
    "frequency_penalty": float,
    "presence_penalty": float,
    "logit_bias": lambda bias: [[int(token), float(value)] for token, value in dict(bias).items()],
    "seed": int,
    "max_tokens": int,
    "min_tokens": int,
    "ignore_eos": bool,
    "stop": lambda stop: [stop] if isinstance(stop, str) else [str(text) for text in stop],
}


def generate_body(
    request_id: str,
    prompt: str | None = None,
    messages: Sequence[Mapping[str, str]] | None = None,
    tokens: Iterable[int] | None = None,
    priority: int | None = None,
    deadline_ms: int | None = None,
    **sampling: Any,
) -> dict[str, Any]:
    """The body of a `generate` frame; what is not given stays the server's default.

    Exactly one of `prompt` (text), `messages` (turns with role and content) and `tokens` (ids) is
    given. `priority` is 0 (highest) to 9; `deadline_ms` is for the whole request, in milliseconds;
    `sampling` has the keys of SAMPLING. Raises ValueError and TypeError for arguments that no
    server would take.
    """
    if sum(given is not None for given in (prompt, messages, tokens)) != 1:
        raise ValueError("give exactly one of prompt, messages and tokens")
    unknown = sorted(set(sampling) - set(SAMPLING))
    if unknown:
        known = ", ".join(sorted(SAMPLING))
        raise TypeError(f"unknown argument {unknown[0]}; sampling takes {known}")
    body: dict[str, Any] = {"id": request_id, "stream": True}
    if prompt is not None:
        body["prompt"] = prompt
    elif messages is not None:
        body["messages"] = [{"role": turn["role"], "content": turn["content"]} for turn in messages]
    elif tokens is not None:
        body["tokens"] = pack_tokens(tokens)
    if priority is not None:
        body["priority"] = int(priority)
    if deadline_ms is not None:
        body["deadline_ms"] = int(deadline_ms)
    body["sampling"] = {
        name: SAMPLING[name](value) for name, value in sampling.items() if value is not None
    }
    return body
