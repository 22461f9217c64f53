"""Both clients over a real socket, against a server that says what the test wants."""

import asyncio
import threading

import pytest

from fake_server import FakeServer
from troupe_client import AsyncClient, Client, TroupeError


@pytest.fixture
def server():
    with FakeServer() as fake:
        yield fake


def in_thread(work):
    """Runs the client's side while the test plays the server; the result is a function that waits
    for it."""
    outcome = []

    def run():
        try:
            outcome.append((work(), None))
        except BaseException as error:  # handed to the test's thread below
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait():
        thread.join(10)
        assert outcome, "the client did not come back"
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    return wait


def test_generate_returns_the_whole_answer(server):
    with Client(server.endpoint, name="me") as client:
        result = in_thread(lambda: client.generate("Japan?", max_tokens=4, temperature=0))
        hello = server.greet()
        body = server.answer()
        whole = result()
    assert hello["client"] == "me" and hello["version"]
    assert body["prompt"] == "Japan?"
    assert body["sampling"] == {"max_tokens": 4, "temperature": 0.0}
    assert (whole.text, whole.tokens, whole.finish_reason) == ("Tokyo.", (7, 8), "stop")
    assert whole.usage.total_tokens == 5


def test_stream_yields_chunks_as_they_come(server):
    with Client(server.endpoint) as client:
        stream = client.stream(messages=[{"role": "user", "content": "Japan?"}])
        server.greet()
        body = server.receive("generate")
        assert body["messages"] == [{"role": "user", "content": "Japan?"}]
        server.send("accepted", id=body["id"])
        server.send_chunk(body["id"], "To", 0, [7])
        assert next(stream).text == "To"
        server.send_chunk(body["id"], "kyo", 2, [8])
        assert next(stream).text_offset == 2
        server.send_final(body["id"], "length")
        assert list(stream) == []
        assert stream.result.text == "Tokyo" and stream.result.finish_reason == "length"


def test_concurrent_requests_get_each_its_own_answer(server):
    with Client(server.endpoint) as client:
        first, second = client.stream("1"), client.stream("2")
        server.greet()
        ids = [server.receive("generate")["id"] for _ in range(2)]
        for request_id in reversed(ids):
            server.send_chunk(request_id, f"for {request_id}", 0, [1])
        for request_id in ids:
            server.send_final(request_id)
        assert [chunk.text for chunk in second] == [f"for {second.id}"]
        assert [chunk.text for chunk in first] == [f"for {first.id}"]


def test_cancel_ends_the_stream_with_its_reason(server):
    with Client(server.endpoint) as client:
        stream = client.stream("count", id="mine")
        server.greet()
        server.receive("generate")
        server.send_chunk("mine", "1", 0, [1])
        next(stream)
        client.cancel("mine")
        assert server.receive("cancel") == {"id": "mine"}
        server.send_final("mine", "cancelled")
        assert list(stream) == []
        assert stream.result.finish_reason == "cancelled"


def test_leaving_a_stream_early_cancels_it(server):
    with Client(server.endpoint) as client:
        with client.stream("count") as stream:
            server.greet()
            body = server.receive("generate")
            server.send_chunk(body["id"], "1", 0, [1])
            next(stream)
        assert server.receive("cancel") == {"id": body["id"]}


def test_closing_the_client_cancels_what_is_open_and_wakes_its_readers(server):
    client = Client(server.endpoint)
    stream = client.stream("count")
    server.greet()
    body = server.receive("generate")
    client.close()
    assert server.receive("cancel") == {"id": body["id"]}
    with pytest.raises(TroupeError) as caught:
        next(stream)
    assert caught.value.code == "closed"
    with pytest.raises(TroupeError):
        client.generate("again")


def test_an_error_of_the_server_is_raised_with_its_advice(server):
    with Client(server.endpoint) as client:
        result = in_thread(lambda: client.generate("Hi"))
        server.greet()
        body = server.receive("generate")
        error = {"id": body["id"], "code": "overload", "message": "full", "retry_after_ms": 250}
        server.send("error", **error)
        with pytest.raises(TroupeError) as caught:
            result()
    assert (caught.value.code, caught.value.retry_after_ms) == ("overload", 250)


@pytest.mark.parametrize("junk", [b"", b"nonsense", b"TRPE\x01\x00\x05\x00" + bytes(8) + b"\x93"])
def test_a_malformed_frame_fails_the_request_and_the_next_one_works(server, junk):
    with Client(server.endpoint) as client:
        result = in_thread(lambda: client.generate("Hi"))
        server.greet()
        server.receive("generate")
        server.send_raw(junk)
        with pytest.raises(TroupeError) as caught:
            result()
        assert caught.value.code == "malformed"
        result = in_thread(lambda: client.generate("Hi"))
        server.answer()
        assert result().text == "Tokyo."


def test_a_stream_goes_on_at_the_successor_of_a_server_that_dies():
    first = FakeServer()
    with Client(first.endpoint) as client:
        stream = client.stream("Hi", id="a")
        first.greet()
        first.receive("generate")
        first.send("accepted", id="a")
        first.send_chunk("a", "To", 0, [1])
        assert next(stream).text == "To"
        first.close()
        with FakeServer(first.endpoint, epoch=2) as second:
            second.greet()
            again = second.receive("generate")
            assert again["id"] == "a" and again["resume_from"] == 2
            second.send("accepted", id="a")
            second.send_chunk("a", "kyo", 2, [2], token_begin=1)
            second.send_final("a")
            assert [chunk.text for chunk in stream] == ["kyo"]
            assert stream.result.text == "Tokyo" and stream.result.tokens == (1, 2)


def test_a_server_that_dies_and_stays_away_fails_open_requests_and_its_successor_serves():
    first = FakeServer()
    with Client(first.endpoint, connect_timeout_s=1) as client:
        stream = client.stream("Hi")
        first.greet()
        first.receive("generate")
        first.close()
        with pytest.raises(TroupeError) as caught:
            next(stream)
        assert caught.value.code == "unavailable"
        with FakeServer(first.endpoint, epoch=2) as second:
            result = in_thread(lambda: client.generate("Hi"))
            second.greet()
            second.receive("cancel")  # what was given up, should the server still be at it
            second.answer()
            assert result().text == "Tokyo."
            assert client.welcome().epoch == 2


def test_no_server_is_a_clear_error():
    with Client("tcp://127.0.0.1:1", connect_timeout_s=0.05) as client:
        for ask in (client.welcome, lambda: client.generate("Hi")):
            with pytest.raises(TroupeError, match="is it running") as caught:
                ask()
            assert caught.value.code == "unavailable"


def test_a_silent_server_times_out(server):
    with Client(server.endpoint, timeout_s=0.05) as client:
        ready = in_thread(client.welcome)
        server.greet()
        ready()
        with pytest.raises(TroupeError) as caught:
            client.generate("Hi")
        assert caught.value.code == "timeout"
        body = server.receive("generate")
        assert server.receive("cancel") == {"id": body["id"]}


def test_an_endpoint_that_is_none_is_refused_at_once():
    with pytest.raises(TroupeError, match="nowhere"):
        Client("nowhere")


def test_an_id_in_use_is_refused(server):
    with Client(server.endpoint) as client:
        first = client.stream("1", id="same")
        with pytest.raises(TroupeError, match="in use") as caught:
            next(client.stream("2", id="same"))
        assert caught.value.code == "invalid"
        server.greet()
        server.answer()
        assert [chunk.text for chunk in first] == ["Tokyo."]


async def test_asyncio_generates_streams_and_cancels(server):
    loop = asyncio.get_running_loop()

    def play():
        server.greet()
        server.answer("whole")
        body = server.receive("generate")
        server.send_chunk(body["id"], "1", 0, [1])
        server.receive("cancel")
        server.send_final(body["id"], "cancelled")

    async with AsyncClient(server.endpoint) as client:
        played = loop.run_in_executor(None, play)
        assert (await client.generate("Hi")).text == "whole"
        stream = await client.stream("count")
        texts = []
        async for chunk in stream:
            texts.append(chunk.text)
            await stream.cancel()
        assert texts == ["1"] and stream.result.finish_reason == "cancelled"
        await played


async def test_asyncio_runs_requests_side_by_side(server):
    loop = asyncio.get_running_loop()

    def play():
        server.greet(credit=8)
        bodies = [server.receive("generate") for _ in range(8)]
        for body in reversed(bodies):
            server.send_chunk(body["id"], body["prompt"], 0, [1])
            server.send_final(body["id"])

    async with AsyncClient(server.endpoint) as client:
        played = loop.run_in_executor(None, play)
        results = await asyncio.gather(*(client.generate(str(n)) for n in range(8)))
        assert [result.text for result in results] == [str(n) for n in range(8)]
        await played


async def test_asyncio_raises_the_errors_of_the_server(server):
    loop = asyncio.get_running_loop()

    def play():
        server.greet()
        body = server.receive("generate")
        server.send("error", id=body["id"], code="draining", message="going", retry_after_ms=1)

    async with AsyncClient(server.endpoint) as client:
        played = loop.run_in_executor(None, play)
        with pytest.raises(TroupeError) as caught:
            await client.generate("Hi")
        assert caught.value.code == "draining"
        await played


async def test_asyncio_without_a_server_is_a_clear_error():
    async with AsyncClient("tcp://127.0.0.1:1", connect_timeout_s=0.05) as client:
        with pytest.raises(TroupeError, match="is it running"):
            await client.generate("Hi")
