"""The client's bookkeeping, stepped frame by frame without a socket."""

from fake_server import WELCOME, raw_frame
from troupe_client import protocol
from troupe_client.protocol import Chunk, Result, TroupeError
from troupe_client.session import Session


def welcomed(credit: int = 2, epoch: int = 1) -> Session:
    session = Session("test", "0")
    session.connected()
    session.receive(protocol.encode("welcome", {**WELCOME, "credit": credit}, epoch))
    assert sent(session) == ["hello"]
    return session


def sent(session: Session) -> list[str]:
    kinds = [protocol.decode(frame).kind for frame in session.outbox]
    session.outbox.clear()
    return kinds


def events(session: Session) -> list:
    happened = list(session.events)
    session.events.clear()
    return happened


def body(request_id: str, **arguments) -> dict:
    return protocol.generate_body(request_id, arguments.pop("prompt", "Hi"), **arguments)


def test_nothing_is_asked_before_the_welcome():
    session = Session("test", "0")
    session.start(body("a"))
    assert sent(session) == []
    session.connected()
    assert sent(session) == ["hello"]
    session.receive(protocol.encode("welcome", WELCOME))
    assert sent(session) == ["generate"]


def test_requests_beyond_the_credit_wait_for_an_end():
    session = welcomed(credit=1)
    session.start(body("a"))
    session.start(body("b"))
    assert sent(session) == ["generate"]
    session.receive(protocol.encode("error", {"id": "a", "code": "overload", "message": "full"}))
    assert sent(session) == ["generate"]
    assert [request_id for request_id, _ in events(session)] == ["a"]


def test_the_result_is_the_chunks_put_together():
    session = welcomed()
    session.start(body("a"))
    for offset, text, token in [(0, "Tō", 4), (3, "kyō", 5)]:
        tokens = protocol.pack_tokens([token])
        chunk = {"id": "a", "text": text, "text_offset": offset, "tokens": tokens}
        session.receive(protocol.encode("chunk", chunk))
    session.receive(protocol.encode("final", {"id": "a", "reason": "stop", "usage": {}}))
    *chunks, end = [event for _, event in events(session)]
    assert all(isinstance(chunk, Chunk) for chunk in chunks)
    assert (end.text, end.tokens, end.finish_reason) == ("Tōkyō", (4, 5), "stop")


def test_a_hole_in_the_answer_is_an_error_and_a_cancel():
    session = welcomed()
    session.start(body("a"))
    sent(session)
    session.receive(protocol.encode("chunk", {"id": "a", "text": "kyo", "text_offset": 2}))
    [(request_id, error)] = events(session)
    assert request_id == "a" and isinstance(error, TroupeError) and error.code == "malformed"
    assert sent(session) == ["cancel"]


def test_an_unreadable_frame_ends_what_is_open():
    session = welcomed()
    session.start(body("a"))
    session.receive(b"TRPE?")
    [(request_id, error)] = events(session)
    assert request_id == "a" and error.code == "malformed"


def chunk_frame(
    request_id: str, text: str, offset: int, tokens: list[int], token_begin: int = 0
) -> bytes:
    chunk = {"id": request_id, "text": text, "text_offset": offset, "token_begin": token_begin}
    chunk |= {"token_end": token_begin + len(tokens), "tokens": protocol.pack_tokens(tokens)}
    return protocol.encode("chunk", chunk)


def test_what_was_open_goes_on_at_a_restarted_server():
    session = welcomed(credit=2, epoch=1)
    session.start(body("a"))
    session.start(body("b"))
    session.start(body("c"))
    session.receive(protocol.encode("accepted", {"id": "a"}))
    session.receive(chunk_frame("a", "Hé", 0, [5, 6]))
    sent(session)
    session.disconnected()
    assert sent(session) == []
    session.connected()
    session.receive(protocol.encode("welcome", {**WELCOME, "credit": 2}, epoch=2))
    frames = [protocol.decode(frame) for frame in session.outbox]
    assert [(frame.kind, frame.body.get("id")) for frame in frames] == [
        ("hello", None),
        ("generate", "a"),
        ("generate", "b"),
    ]
    assert [frame.body["resume_from"] for frame in frames[1:]] == [3, 0]
    events(session)
    session.receive(protocol.encode("accepted", {"id": "a"}))
    session.receive(chunk_frame("a", "y", 3, [6, 7], token_begin=1))  # token 6 is known
    session.receive(protocol.encode("final", {"id": "a", "reason": "stop", "usage": {}}))
    [(_, chunk), (_, result)] = events(session)
    assert chunk.tokens == (7,) and chunk.token_begin == 2
    assert result.text == "Héy" and result.tokens == (5, 6, 7)


def test_a_request_that_the_restarted_server_has_forgotten_is_unavailable():
    session = welcomed(epoch=1)
    session.start(body("a"))
    session.disconnected()
    session.receive(protocol.encode("welcome", WELCOME, epoch=2))
    session.receive(protocol.encode("error", {"id": "a", "code": "invalid", "message": "?"}))
    assert [(key, error.code) for key, error in events(session)] == [("a", "unavailable")]


def test_a_cancel_that_a_lost_connection_took_along_is_sent_again():
    session = welcomed(epoch=1)
    session.start(body("a"))
    session.cancel("a")
    session.disconnected()
    session.receive(protocol.encode("welcome", WELCOME, epoch=2))
    assert sent(session) == ["generate", "cancel"]


def test_a_request_that_was_not_sent_is_cancelled_here():
    session = Session("test", "0")
    session.start(body("a"))
    session.cancel("a")
    assert events(session) == [("a", Result(finish_reason="cancelled"))]
    assert sent(session) == []


def test_an_error_without_an_id_ends_what_was_not_accepted():
    session = welcomed()
    session.start(body("a"))
    session.start(body("b"))
    session.receive(protocol.encode("accepted", {"id": "a"}))
    session.receive(protocol.encode("error", {"id": "", "code": "malformed", "message": "?"}))
    assert [(key, error.code) for key, error in events(session)] == [("b", "malformed")]


def test_a_request_that_the_server_would_not_read_is_refused_here():
    session = welcomed()
    session.start(body("a", prompt="x" * 5000))
    [(_, error)] = events(session)
    assert error.code == "too_large" and "4096" in error.message
    assert sent(session) == []


def test_frames_for_unknown_requests_and_of_unknown_kinds_change_nothing():
    session = welcomed()
    session.start(body("a"))
    sent(session)
    session.receive(protocol.encode("chunk", {"id": "z", "text": "x", "text_offset": 9}))
    session.receive(raw_frame(60, {"id": "a"}))
    assert events(session) == [] and sent(session) == []


def test_a_ping_is_answered_with_its_nonce():
    session = welcomed()
    session.receive(protocol.encode("ping", {"nonce": 99}))
    frame = protocol.decode(session.outbox.pop())
    assert (frame.kind, frame.body) == ("pong", {"nonce": 99})
