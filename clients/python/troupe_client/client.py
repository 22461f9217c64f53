"""The synchronous client. Safe to use from several threads."""

from __future__ import annotations

import queue
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Union

from troupe_client import protocol
from troupe_client.connection import DEFAULT_ENDPOINT, Connection, no_progress, no_server
from troupe_client.protocol import Chunk, Result, TroupeError, Welcome
from troupe_client.session import Event


class Stream(Iterator[Chunk]):
    """The chunks of one answer as they come. After the last one `result` holds the whole answer.
    Leaving it early (`close`, the end of a `with` block) cancels the request. Iterating raises
    TroupeError when the request fails."""

    def __init__(self, client: Client, request_id: str, events: queue.Queue[Event]) -> None:
        self.id = request_id
        self.result: Result | None = None
        self._client = client
        self._events = events
        self._over = False

    def __next__(self) -> Chunk:
        if self._over:
            raise StopIteration
        try:
            event = self._client._next_event(self.id, self._events)
        except TroupeError:
            self.close()
            raise
        if isinstance(event, Chunk):
            return event
        self._over = True
        if isinstance(event, TroupeError):
            raise event
        self.result = event
        raise StopIteration

    def cancel(self) -> None:
        """Asks the server to stop. Iteration then ends with finish_reason cancelled."""
        self._client.cancel(self.id)

    def close(self) -> None:
        """Gives the rest of the answer up."""
        if not self._over:
            self._over = True
            self._client._connection.abandon(self.id)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client:
    """A connection to a Troupe server; any number of requests run over it at once.

    `endpoint` is a ZeroMQ endpoint, `name` appears in the server's logs. `connect_timeout_s`
    (seconds) bounds the wait for the server's welcome, `timeout_s` (seconds, None: no bound) the
    wait for the next piece of an answer. The connection is made in the background and made again
    when it is lost; requests that were open then go on where they stopped. When no server is there
    for `connect_timeout_s`, or it has forgotten them, they fail with TroupeError("unavailable", …).
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        *,
        name: str = "",
        connect_timeout_s: float = 10.0,
        timeout_s: float | None = 120.0,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._connection = Connection(endpoint, name, connect_timeout_s)

    def welcome(self) -> Welcome:
        """The server's limits; waits for the connection. Raises TroupeError("unavailable", …)."""
        answer: queue.Queue[Union[Welcome, TroupeError]] = queue.Queue()
        self._connection.ask_welcome(answer.put)
        try:
            welcome = answer.get(timeout=self._connect_timeout_s)
        except queue.Empty:
            raise no_server(self._connection.endpoint, self._connect_timeout_s) from None
        if isinstance(welcome, TroupeError):
            raise welcome
        return welcome

    def stream(
        self,
        prompt: str | None = None,
        *,
        messages: Sequence[Mapping[str, str]] | None = None,
        tokens: Iterable[int] | None = None,
        id: str | None = None,
        priority: int | None = None,
        deadline_ms: int | None = None,
        **sampling: Any,
    ) -> Stream:
        """Starts a request and returns its chunks as they come.

        Exactly one of `prompt` (text), `messages` (turns with role and content) and `tokens` (ids)
        is given. `sampling` takes max_tokens, temperature, top_p, top_k, min_p, seed, stop, …
        (protocol.SAMPLING); `priority` is 0 (highest) to 9, `deadline_ms` milliseconds for the
        whole request. `id` may name the request for `cancel`. Raises ValueError and TypeError for
        arguments that no server would take, TroupeError("closed", …) after `close`.
        """
        request_id = id or uuid.uuid4().hex
        body = protocol.generate_body(
            request_id, prompt, messages, tokens, priority, deadline_ms, **sampling
        )
        events: queue.Queue[Event] = queue.Queue()
        self._connection.start(body, events.put)
        return Stream(self, request_id, events)

    def generate(self, prompt: str | None = None, **arguments: Any) -> Result:
        """The whole answer; arguments and errors as of `stream`, and TroupeError when the request
        fails. Streams on the wire too, so that `timeout_s` bounds silence and not the length of an
        answer."""
        with self.stream(prompt, **arguments) as stream:
            for _ in stream:
                pass
        assert stream.result is not None
        return stream.result

    def cancel(self, request_id: str) -> None:
        """Asks the server to stop a request, whose stream then ends with finish_reason cancelled. A
        request that is over, or that nobody made, is no error."""
        self._connection.cancel(request_id)

    def close(self) -> None:
        """Cancels what is open and closes the connection. Streams that others still read fail with
        code closed."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next_event(self, request_id: str, events: queue.Queue[Event]) -> Event:
        while True:
            welcomed = self._connection.welcomed.is_set()
            try:
                return events.get(timeout=self._timeout_s if welcomed else self._connect_timeout_s)
            except queue.Empty:
                if welcomed:
                    raise no_progress(request_id, self._timeout_s) from None
                if not self._connection.welcomed.is_set():
                    raise no_server(self._connection.endpoint, self._connect_timeout_s) from None
