"""Frames of the Python client against bytes written out by hand."""

import random
import re
import struct
from pathlib import Path

import msgpack
import pytest

from fake_server import raw_frame
from troupe_client import protocol
from troupe_client.protocol import ProtocolError


def test_a_ping_is_a_header_and_a_map():
    frame = protocol.encode("ping", {"nonce": 7})
    assert frame == bytes.fromhex("54525045 01 00 0900 0000000000000000 81 a56e6f6e6365 07")


def test_a_cancel_names_its_request():
    frame = protocol.encode("cancel", {"id": "a1"})
    assert frame == bytes.fromhex("54525045 01 00 0800 0000000000000000 81 a26964 a26131")


def page_frames() -> list[bytes]:
    """The frames that docs/protocol.md writes out byte by byte, in its order."""
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    dumps = re.findall(r"```\n((?:[0-9a-f]{4}  .*\n)+)```", page)
    lines = [re.findall(r"^[0-9a-f]{4}  ((?:[0-9a-f]{2} ?)+)", dump, re.M) for dump in dumps]
    return [bytes.fromhex("".join(parts)) for parts in lines]


def test_the_frames_of_the_protocol_page_are_what_this_client_sends_and_reads():
    hello, generate, chunk = page_frames()
    assert hello == protocol.encode("hello", {"version": "1", "client": "demo"})
    sampling = {"max_tokens": 8, "temperature": 0.0}
    body = {"id": "a1", "prompt": "Once", "sampling": sampling}
    assert generate == protocol.encode("generate", body)
    frame = protocol.decode(chunk)
    assert (frame.kind, frame.epoch, frame.body["id"]) == ("chunk", 3, "a1")
    expected = protocol.Chunk(text=" upon", tokens=(3714,), token_begin=0, token_end=1)
    assert protocol.read_chunk(frame) == expected


def test_tokens_travel_as_little_endian_int32_in_a_bin():
    assert protocol.pack_tokens([1, 258, -1]) == bytes.fromhex("01000000 02010000 ffffffff")
    body = protocol.generate_body("r", tokens=[1, 258])
    assert b"\xc4\x08\x01\x00\x00\x00\x02\x01\x00\x00" in protocol.encode("generate", body)
    assert protocol.unpack_tokens(protocol.pack_tokens([5, 6])) == (5, 6)


def test_a_frame_survives_the_round_trip_with_its_epoch():
    frame = protocol.decode(protocol.encode("pong", {"nonce": 2**64 - 1}, epoch=2**63))
    assert (frame.kind, frame.body, frame.epoch) == ("pong", {"nonce": 2**64 - 1}, 2**63)


def test_what_is_not_given_is_not_sent():
    body = protocol.generate_body("r", "Hi", max_tokens=4, temperature=None)
    assert body == {"id": "r", "stream": True, "prompt": "Hi", "sampling": {"max_tokens": 4}}


def test_sampling_values_take_the_types_of_the_protocol():
    body = protocol.generate_body("r", "Hi", temperature=0, stop="END", logit_bias={5: 1})
    assert body["sampling"] == {"temperature": 0.0, "stop": ["END"], "logit_bias": [[5, 1.0]]}
    assert isinstance(body["sampling"]["temperature"], float)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"prompt": "a", "tokens": [1]}, {"prompt": "a", "messages": []}],
)
def test_anything_but_one_kind_of_prompt_is_refused(arguments):
    with pytest.raises(ValueError, match="exactly one"):
        protocol.generate_body("r", **arguments)


def test_an_unknown_sampling_argument_is_refused_by_name():
    with pytest.raises(TypeError, match="temprature"):
        protocol.generate_body("r", "Hi", temprature=1)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "0 bytes"),
        (b"TRPE" + bytes(11), "15 bytes"),
        (raw_frame(10, {}, magic=b"HTTP"), "begins with"),
        (raw_frame(10, {}, major=2), "major version 2"),
        (raw_frame(10, [1, 2]), "not a msgpack map"),
        (raw_frame(10, {1: 2}), "msgpack"),
        (raw_frame(10, {})[:16], "not msgpack"),
        (raw_frame(10, {}) + b"\x00", "not msgpack"),
        (raw_frame(10, {"a": "\xe9"})[:-1], "not msgpack"),
        (raw_frame(10, {})[:16] + b"\x81\xa1a\xa1\xff", "not msgpack"),  # not UTF-8
        (raw_frame(10, {})[:16] + b"\xdf\xff\xff\xff\xff", "not msgpack"),  # 4 billion entries
        (raw_frame(10, {})[:16] + b"\x91" * 100_000, "not msgpack"),  # nests without end
    ],
)
def test_bytes_that_are_no_frame_are_refused_with_a_reason(data, says):
    with pytest.raises(ProtocolError, match=says):
        protocol.decode(data)


def test_no_bytes_raise_anything_but_a_protocol_error():
    numbers = random.Random(3)
    good = protocol.encode("chunk", {"id": "r", "text": "Tokyo", "tokens": bytes(8), "choice": 0})
    for _ in range(5000):
        data = bytearray(good)
        for _ in range(numbers.randrange(1, 6)):
            data[numbers.randrange(len(data))] = numbers.randrange(256)
        try:
            protocol.read_chunk(protocol.decode(bytes(data[: numbers.randrange(1, len(data) + 1)])))
        except ProtocolError:
            pass


def test_a_field_of_another_type_is_refused_by_name():
    frame = protocol.decode(raw_frame(protocol.KINDS["chunk"], {"text_offset": "3"}))
    with pytest.raises(ProtocolError, match="text_offset is a str, not a int"):
        protocol.read_chunk(frame)


def test_tokens_of_half_an_id_are_refused():
    with pytest.raises(ProtocolError):
        protocol.unpack_tokens(b"\1\0\0\0\2")


def test_unknown_kinds_and_keys_are_read_as_such():
    frame = protocol.decode(raw_frame(60, {"new": 1}))
    assert frame.kind == "unknown"
    chunk = protocol.read_chunk(protocol.decode(raw_frame(5, {"id": "r", "text": "x", "new": 1})))
    assert chunk.text == "x"


def test_the_header_is_sixteen_little_endian_bytes():
    assert protocol.HEADER.size == 16
    frame = protocol.encode("hello", {}, epoch=1)
    assert struct.unpack("<4sBBHQ", frame[:16]) == (b"TRPE", 1, 0, 1, 1)
    assert msgpack.unpackb(frame[16:]) == {}
