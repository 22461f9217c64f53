"""Bad input: one clear error with cause and remedy, and nothing else disturbed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading

import msgpack
import pytest
import zmq

from node import BINARY, HANG_S, SMOLLM2, Node, eventually, free_ports, require, run_troupe
from troupe_client import Client, TroupeError, protocol

HI = {"model": "test", "prompt": "Hi", "max_tokens": 2}


# --- At start ---


def refused_serve(tmp_path, **changed: object) -> str:
    """What a `troupe serve` that cannot start says."""
    http, zeromq = free_ports(2)
    flags = {
        "model": SMOLLM2,
        "http": f"127.0.0.1:{http}",
        "zmq": f"tcp://127.0.0.1:{zeromq}",
        "state": tmp_path / "state",
        "logs": tmp_path / "logs",
        **changed,
    }
    run = run_troupe("serve", *(f"--{name}={value}" for name, value in flags.items()))
    assert run.returncode not in (0, 3) and run.returncode > 0, run
    lines = [line for line in run.stderr.splitlines() if line.startswith("troupe")]
    assert lines, run
    return "\n".join(lines)


def test_a_limit_on_file_sizes_leaves_packed_weights_in_memory(tmp_path):
    model = tmp_path / "model.gguf"
    shutil.copy(require(SMOLLM2), model)
    (tmp_path / "ids.json").write_text("[1, 2, 3]")
    arguments = ["logits", "--model", model, "--tokens-file", tmp_path / "ids.json", "--json"]
    limited = ["sh", "-c", 'ulimit -f 2000 && exec "$@"', "sh", BINARY, *arguments]
    run = subprocess.run(
        list(map(str, limited)), capture_output=True, text=True, timeout=4 * HANG_S
    )
    assert run.returncode == 0, run
    assert json.loads(run.stdout)["positions"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ids.json", "model.gguf"]
    (note,) = [line for line in run.stderr.splitlines() if line.startswith("troupe: ")]
    assert f"{model}.default.troupe cannot be written (File too large)" in note


def test_a_model_that_all_processes_refuse_is_refused_once(tmp_path):
    model = tmp_path / "zeros.gguf"
    model.write_bytes(bytes(64))
    said = refused_serve(tmp_path, model=model, workers=3).splitlines()
    assert sum("zeros.gguf: " in line for line in said) == 1, said


def test_a_prompt_without_a_token_is_told_from_an_empty_one():
    command = ("generate", "--model", require(SMOLLM2), "--max-tokens", "1", "--prompt")
    run = subprocess.run(
        [os.fsencode(part) for part in (BINARY, *command)] + [b"\xff\xfe"],
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert run.returncode != 0
    assert "the model has no token for anything in the prompt: send UTF-8" in run.stderr


def test_a_missing_model_is_named_with_the_remedy(tmp_path):
    said = refused_serve(tmp_path, model=tmp_path / "nothing.gguf")
    assert "nothing.gguf" in said and "fetch_model.sh" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("size", [0, 10, 1_000_000, 90_000_000])
def test_a_truncated_model_is_refused(tmp_path, size):
    cut = tmp_path / "cut.gguf"
    with open(require(SMOLLM2), "rb") as whole:
        cut.write_bytes(whole.read(size))
    said = refused_serve(tmp_path, model=cut)
    assert "cut.gguf" in said
    run = run_troupe("generate", "--model", cut, "--prompt", "Hi", "--max-tokens", 1)
    assert run.returncode > 0 and "cut.gguf" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr


def test_a_model_that_is_something_else_is_refused(tmp_path):
    other = tmp_path / "other.gguf"
    other.write_bytes(b"PK\x03\x04" + bytes(1000))
    run = run_troupe("tokenize", "--model", other, "Hi")
    assert run.returncode > 0 and "other.gguf" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr


def test_a_port_in_use_is_named(node, tmp_path):
    said = refused_serve(tmp_path, http=f"127.0.0.1:{node.http_port}")
    assert str(node.http_port) in said
    said = refused_serve(tmp_path, zmq=node.zmq)
    assert str(node.zmq_port) in said
    assert node.is_ready()


def test_a_second_node_in_the_same_state_folder_is_refused(node, tmp_path):
    said = refused_serve(tmp_path, state=node.state)
    assert str(node.state) in said
    assert node.is_ready() and set(node.roles()) == {"root", "front", "worker-0"}


@pytest.mark.parametrize(
    "text, says",
    [
        ("[node]\nworkesr = 1\n", "node.workers"),
        ('[node]\nworkers = "two"\n', "node.workers"),
        ("[batch]\nsequences_max = 0\n", "batch.sequences_max"),
        ("[gateway]\nhttp = 'nowhere'\n", "gateway.http"),
        ("[node\n", ":1"),
        ("[nodes]\nworkers = 1\n", "nodes"),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_place(tmp_path, text, says):
    config = tmp_path / "troupe.toml"
    config.write_text(text)
    run = run_troupe("serve", "--config", config, "--model", SMOLLM2)
    assert run.returncode > 0 and says in run.stderr and "troupe.toml" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr


def test_an_unknown_flag_is_refused(tmp_path):
    run = run_troupe("serve", "--modle", "x")
    assert run.returncode > 0 and "modle" in run.stderr


# --- Over HTTP ---


@pytest.mark.parametrize(
    "path, body, status, says",
    [
        ("/v1/completions", b'{"prompt": "Hi"', 400, "JSON"),
        ("/v1/completions", b"", 400, "JSON"),
        ("/v1/completions", b"[1]", 400, "object"),
        ("/v1/completions", b'{"model":"test","prompt":"\xff\xfe"}', 400, "UTF-8"),
        ("/v1/completions", b"[" * 100_000, 400, ""),
        ("/v1/completions", {**HI, "temperature": "hot"}, 400, "temperature"),
        ("/v1/completions", {**HI, "temperature": -1}, 400, "temperature"),
        ("/v1/completions", {**HI, "max_tokens": -5}, 400, "max_tokens"),
        ("/v1/completions", {**HI, "n": 0}, 400, "n"),
        ("/v1/completions", {"model": "test", "max_tokens": 2}, 400, "prompt"),
        ("/v1/completions", {**HI, "prompt": [1, 99_999_999]}, 400, "token"),
        ("/v1/completions", {**HI, "prompt": "word " * 20_000}, 400, "context"),
        ("/v1/completions", {**HI, "model": "another"}, 404, "another"),
        ("/v1/chat/completions", {"model": "test", "messages": []}, 400, "messages"),
        ("/v1/chat/completions", {"model": "test", "messages": [{"role": 1}]}, 400, "role"),
        ("/v1/nothing", HI, 404, ""),
        ("/v1/completions", b'{"prompt": "' + b"a" * (5 << 20) + b'"}', 413, ""),
    ],
)
def test_a_bad_request_gets_its_status_and_a_message(node, path, body, status, says):
    found, answer = node.ask(path, body)
    assert found == status, answer
    assert says in json.dumps(answer["error"]), answer
    assert set(answer["error"]) == {"message", "type", "param", "code"}


def test_another_method_is_refused(node):
    response, connection = node.request("DELETE", "/v1/completions")
    assert response.status == 405 and response.getheader("Allow")
    connection.close()


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x01\x02" * 100 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_no_http_is_answered_or_closed_and_the_node_lives(node, junk):
    with socket.create_connection(("127.0.0.1", node.http_port), timeout=HANG_S) as connection:
        try:
            connection.sendall(junk)
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
        except ConnectionResetError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert node.ask("/v1/completions", HI)[0] == 200


# --- Over ZeroMQ ---


@pytest.fixture
def dealer(node):
    context = zmq.Context()
    raw = context.socket(zmq.DEALER)
    raw.setsockopt(zmq.LINGER, 0)
    raw.setsockopt(zmq.RCVTIMEO, HANG_S * 1000)
    raw.connect(node.zmq)
    yield raw
    raw.close()
    context.term()


def header(kind: int, magic: bytes = b"TRPE", major: int = 1) -> bytes:
    return protocol.HEADER.pack(magic, major, 0, kind, 0)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"junk",
        header(3, magic=b"HTTP") + b"\x80",
        header(3, major=9) + b"\x80",
        header(3),
        header(3) + b"\xc1",
        header(3) + b"\x81\xa2id\xa1",
        header(3) + b"\xdf\xff\xff\xff\xff",
        header(3) + b"\x91" * 100_000,
        header(3) + msgpack.packb([1, 2]),
        header(3) + msgpack.packb({"id": 7}),
        header(3) + msgpack.packb({"id": "a", "prompt": "Hi", "tokens": b"\1\2\3"}),
        header(60) + b"\x80",
        header(64) + b"\x80",  # an internal kind from outside
        header(100) + b"\x80",
        header(5) + msgpack.packb({"id": "a", "text": "I am the server"}),
    ],
)
def test_a_malformed_frame_gets_an_error_and_disturbs_nobody(node, client, dealer, frame):
    expected = client.generate("The sky is", temperature=0, max_tokens=16, ignore_eos=True)
    with client.stream("The sky is", temperature=0, max_tokens=16, ignore_eos=True) as stream:
        next(stream)
        dealer.send(frame)
        answer = protocol.decode(b"".join(dealer.recv_multipart()))
        assert answer.kind == "error" and answer.body["code"] and answer.body["message"]
        list(stream)
    assert stream.result == expected


@pytest.mark.parametrize(
    "arguments, says",
    [
        (dict(prompt="word " * 20_000), "context"),
        (dict(prompt=""), ""),
        (dict(tokens=[1, 99_999_999]), "token"),
        (dict(tokens=[-1]), "token"),
        (dict(messages=[{"role": "user", "content": "Hi"}], temperature=-1), "temperature"),
        (dict(prompt="Hi", top_p=7), "top_p"),
        (dict(prompt="Hi", stop=["a"] * 100), "stop"),
    ],
)
def test_a_bad_request_over_zeromq_is_an_error_with_a_reason(client, arguments, says):
    with pytest.raises(TroupeError) as caught:
        client.generate(**{"max_tokens": 1, **arguments})
    assert caught.value.code in ("invalid", "too_large") and says in caught.value.message
    assert client.generate("Hi", max_tokens=1).tokens


def test_invalid_utf8_in_a_frame_is_an_error(dealer):
    body = b"\x82\xa2id\xa1a\xa6prompt\xa2\xff\xfe"
    dealer.send(header(3) + body)
    answer = protocol.decode(b"".join(dealer.recv_multipart()))
    assert answer.kind == "error" and answer.body["code"] == "invalid"


def test_an_oversized_frame_is_refused(node, client, dealer):
    dealer.send(header(3) + msgpack.packb({"id": "a", "prompt": "a" * (5 << 20)}))
    answer = protocol.decode(b"".join(dealer.recv_multipart()))
    assert answer.kind == "error" and answer.body["code"] in ("too_large", "malformed")
    assert client.generate("Hi", max_tokens=1).tokens


# --- Afterwards ---


def test_metrics_can_be_read_and_requests_are_conserved(node):
    stop = threading.Event()
    errors = []

    def look() -> None:
        while not stop.is_set():
            error = node.metrics()["troupe_requests_conservation_error"]
            if error != 0:
                errors.append(error)

    looker = threading.Thread(target=look)
    looker.start()
    with Client(node.zmq) as client:
        for count in range(10):
            client.generate("Hi", max_tokens=count + 1)
        with pytest.raises(TroupeError):
            client.generate("word " * 20_000)
    stop.set()
    looker.join(HANG_S)
    assert errors == []
    eventually("nothing runs", lambda: node.running() == 0)
    values = node.metrics()
    assert values["troupe_requests_conservation_error"] == 0
    assert values["troupe_requests_accepted_total"] == values["troupe_requests_finished_total"]
    for name in ("troupe_requests_refused_total", "troupe_generated_tokens_total"):
        assert values[name] > 0, name
    for name in ("troupe_time_to_first_token_seconds", "troupe_request_seconds"):
        assert values[f"{name}_count"] > 0, name
