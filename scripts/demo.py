#!/usr/bin/env python3
"""Serves, asks one question over HTTP and one over ZeroMQ, drains.

Usage: demo.py TROUPE [flags of `troupe serve`…]
Needs nothing but Debian's python3, python3-zmq and python3-msgpack. Exits 0 only when both answers
came whole and the server ended by itself.
"""

import http.client
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients" / "python"))
from troupe_client import Client  # noqa: E402

# Guards against hanging, in seconds. A slow machine decodes 48 tokens in well under the second.
READY_S_MAX = 60
ANSWER_S_MAX = 120
DRAIN_S_MAX = 40
ANSWER_TOKENS_MAX = 48


def free_ports(count: int) -> list[int]:
    """Ports that are free at this moment, all different."""
    sockets = [socket.socket() for _ in range(count)]
    for listener in sockets:
        listener.bind(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def wait_until_ready(server: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + READY_S_MAX
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"demo: the server ended with exit code {server.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_S_MAX)
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"demo: the server was not ready after {READY_S_MAX} s")


def ask_over_http(port: int, question: str) -> str:
    """Streams a chat completion as server-sent events and prints it as it comes."""
    body = {
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": ANSWER_TOKENS_MAX,
        "stream": True,
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S_MAX)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    if response.status != 200:
        raise SystemExit(f"demo: HTTP {response.status}: {response.read().decode()}")
    text, finish = "", None
    for line in response:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        event = json.loads(line[len(b"data: ") :])
        if "error" in event:
            raise SystemExit(f"demo: the stream failed: {event['error']}")
        for choice in event["choices"]:
            piece = choice["delta"].get("content") or ""
            print(piece, end="", flush=True)
            text += piece
            finish = choice["finish_reason"] or finish
    print(f"  [{finish}]")
    if not text or finish is None:
        raise SystemExit("demo: the HTTP stream ended without its whole answer")
    return text


def ask_over_zmq(port: int, question: str) -> str:
    """Streams an answer through the Python client and prints it as it comes."""
    turns = [{"role": "user", "content": question}]
    sampling = {"temperature": 0, "max_tokens": ANSWER_TOKENS_MAX}
    with Client(f"tcp://127.0.0.1:{port}", name="demo", timeout_s=ANSWER_S_MAX) as client:
        with client.stream(messages=turns, **sampling) as stream:
            for chunk in stream:
                print(chunk.text, end="", flush=True)
    print(f"  [{stream.result.finish_reason}]")
    return stream.result.text


def main() -> None:
    troupe, flags = str(Path(sys.argv[1]).absolute()), sys.argv[2:]
    http_port, zmq_port = free_ports(2)
    for index, flag in enumerate(flags):  # the server runs in a folder of its own
        if flag in ("--model", "--config") and index + 1 < len(flags):
            flags[index + 1] = str(Path(flags[index + 1]).absolute())
    with tempfile.TemporaryDirectory(prefix="troupe-demo-") as folder:
        command = [troupe, "serve", "--http", f"127.0.0.1:{http_port}"]
        command += ["--zmq", f"tcp://127.0.0.1:{zmq_port}", *flags]
        server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL)
        try:
            wait_until_ready(server, http_port)
            question = "What is the capital of Japan?"
            print(f"\nHTTP   > {question}\n       < ", end="", flush=True)
            ask_over_http(http_port, question)
            question = "How many days are there in a week?"
            print(f"ZeroMQ > {question}\n       < ", end="", flush=True)
            ask_over_zmq(zmq_port, question)
            print("\ndemo: draining", flush=True)
            server.send_signal(signal.SIGTERM)
            code = server.wait(DRAIN_S_MAX)
            if code != 0:
                raise SystemExit(f"demo: the drained server ended with exit code {code}")
        finally:
            if server.poll() is None:
                server.kill()  # its children end with it
                server.wait()
    print("demo: done")


if __name__ == "__main__":
    # Ctrl-C and a terminal that goes away clean up like any other end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(128 + signal.SIGHUP))
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
