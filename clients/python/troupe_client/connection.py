"""The socket and the thread that owns it, shared by the synchronous and the asyncio client.

Nothing here blocks its caller: events come back through a sink, a callable that each request brings
along.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Union

import zmq
from zmq.utils.monitor import parse_monitor_message

from troupe_client.protocol import Chunk, TroupeError, Welcome
from troupe_client.session import Event, Session

CLIENT_VERSION = "troupe_client/0.1.0"
DEFAULT_ENDPOINT = "tcp://127.0.0.1:5555"

# Reconnecting is ZeroMQ's: first after 50 ms, then with back-off to at most 1 s.
RECONNECT_MS_FIRST = 50
RECONNECT_MS_MAX = 1000
# A server that vanished without a word (power, network) is noticed after this many milliseconds.
HEARTBEAT_MS = 2000
HEARTBEAT_TIMEOUT_MS = 6000
# Cancels that `close` sends get this long to leave.
LINGER_MS = 200

Sink = Callable[[Event], None]
WelcomeSink = Callable[[Union[Welcome, TroupeError]], None]


def configure(dealer: zmq.Socket) -> None:
    """Sets every option of a DEALER before it connects. With IMMEDIATE nothing is queued for a
    server that is not there: a request must not reach a restarted server that knows nothing of its
    client. The send queue has no limit of its own: the server's credit bounds it."""
    dealer.setsockopt(zmq.IDENTITY, b"c" + uuid.uuid4().bytes)
    dealer.setsockopt(zmq.IMMEDIATE, 1)
    dealer.setsockopt(zmq.SNDHWM, 0)
    dealer.setsockopt(zmq.LINGER, LINGER_MS)
    dealer.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS_FIRST)
    dealer.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX)
    dealer.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    dealer.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)


class Connection:
    """A DEALER, its Session, and the thread that moves frames between them. Raises
    TroupeError("unavailable", …) for an endpoint that ZeroMQ does not understand; a server that is
    not there yet is no error."""

    def __init__(self, endpoint: str, name: str, connect_timeout_s: float) -> None:
        self.endpoint = endpoint
        self._connect_timeout_s = connect_timeout_s
        self._lost_at: float | None = None  # monotonic; since then no server has welcomed us
        self.welcomed = threading.Event()  # set while a server's welcome holds
        self._session = Session(name or f"pid-{os.getpid()}", CLIENT_VERSION)
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._sinks: dict[str, Sink] = {}
        self._welcome_sinks: list[WelcomeSink] = []
        self._closed = threading.Event()
        self._lock = threading.Lock()  # of _closed against _commands
        self._context = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        configure(self._dealer)
        self._monitor = self._dealer.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        try:
            self._dealer.connect(endpoint)
        except zmq.ZMQError as error:
            self._close_sockets()
            raise TroupeError("unavailable", f"endpoint {endpoint!r}: {error}") from None
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="troupe-client", daemon=True)
        self._thread.start()

    def start(self, body: Mapping[str, Any], sink: Sink) -> None:
        """Sends a `generate`; `sink` is called on the connection's thread with chunks, then once
        with the end."""
        self._post(lambda: self._start(body, sink))

    def cancel(self, request_id: str) -> None:
        """Asks the server to stop a request; ids that are over or unknown are ignored."""
        self._post(lambda: self._session.cancel(request_id), silent=True)

    def abandon(self, request_id: str) -> None:
        """As cancel, and its sink is not called again."""

        def forget() -> None:
            self._sinks.pop(request_id, None)
            self._session.abandon(request_id)

        self._post(forget, silent=True)

    def ask_welcome(self, sink: WelcomeSink) -> None:
        """Calls `sink` with the server's welcome, now or when it comes."""
        self._post(lambda: self._welcome_sinks.append(sink))

    def close(self) -> None:
        """Cancels what is open, tells its sinks TroupeError("closed", …), and ends the thread."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
        self._wake_sender.send(b"\0")
        self._thread.join()
        # Here and not at the thread's end: it may see the flag and end before the byte is sent.
        self._wake_receiver.close()
        self._wake_sender.close()

    def _post(self, command: Callable[[], None], silent: bool = False) -> None:
        with self._lock:
            if self._closed.is_set():
                if silent:
                    return
                raise TroupeError("closed", "this client was closed")
            self._commands.put(command)
            self._wake_sender.send(b"\0")

    # --- On the connection's thread ---

    def _start(self, body: Mapping[str, Any], sink: Sink) -> None:
        try:
            self._session.start(body)
        except ValueError as error:
            sink(TroupeError("invalid", str(error)))
            return
        self._sinks[body["id"]] = sink

    def _run(self) -> None:
        why = "this client was closed"
        try:
            self._poll()
            self._session.cancel_all()
            self._send()
        except Exception as error:  # a bug of ours: nobody may wait for ever because of it
            why = f"the client's thread failed: {error!r}"
            raise
        finally:
            self._closed.set()
            self._take_commands()
            self._session.fail_all("closed", why)
            self._deliver()
            for sink in self._welcome_sinks:
                sink(TroupeError("closed", why))
            self._close_sockets()

    def _close_sockets(self) -> None:
        self._dealer.disable_monitor()
        self._monitor.close(0)
        self._dealer.close()
        self._context.term()

    def _poll(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake_receiver, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        while not self._closed.is_set():
            self._send()
            self._deliver()
            out = zmq.POLLOUT if self._session.outbox else 0
            poller.register(self._dealer, zmq.POLLIN | out)
            poller.poll(self._patience_ms())
            self._take_commands()
            self._receive()
            self._take_monitor()
            if self._patience_ms() == 0:
                why = f"the connection to {self.endpoint} was lost and no server came back"
                self._session.give_up(why)
                self._lost_at = None

    def _patience_ms(self) -> float | None:
        """How long what is open still waits for a server; None while one is there."""
        if self._lost_at is None:
            return None
        left_s = self._lost_at + self._connect_timeout_s - time.monotonic()
        return max(0.0, left_s * 1000)

    def _take_commands(self) -> None:
        try:
            self._wake_receiver.recv(4096)
        except BlockingIOError:
            pass
        while not self._commands.empty():
            self._commands.get()()

    def _receive(self) -> None:
        while True:
            try:
                self._session.receive(b"".join(self._dealer.recv_multipart(zmq.NOBLOCK)))
            except zmq.Again:
                return

    def _take_monitor(self) -> None:
        while self._monitor.poll(0):
            event = parse_monitor_message(self._monitor.recv_multipart())["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._session.connected()
            elif event == zmq.EVENT_DISCONNECTED:
                self._receive()  # what arrived before the end still counts
                self._session.disconnected()
                self.welcomed.clear()
                self._lost_at = self._lost_at or time.monotonic()

    def _send(self) -> None:
        while self._session.outbox:
            try:
                self._dealer.send(self._session.outbox[0], zmq.NOBLOCK)
            except zmq.Again:  # the connection is not attached yet, or just lost
                return
            self._session.outbox.popleft()

    def _deliver(self) -> None:
        while self._session.events:
            request_id, event = self._session.events.popleft()
            over = not isinstance(event, Chunk)
            sink = (self._sinks.pop if over else self._sinks.get)(request_id, None)
            if sink is not None:
                sink(event)
        welcome = self._session.welcome
        if welcome is not None:
            self._lost_at = None
            self.welcomed.set()
            while self._welcome_sinks:
                self._welcome_sinks.pop()(welcome)


def no_server(endpoint: str, timeout_s: float) -> TroupeError:
    why = f"no Troupe server answered at {endpoint} within {timeout_s:g} s; is it running?"
    return TroupeError("unavailable", why)


def no_progress(request_id: str, timeout_s: float | None) -> TroupeError:
    return TroupeError("timeout", f"request {request_id} made no progress for {timeout_s:g} s")
