"""The asyncio client: the same connection, whose events are handed to the event loop."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, Union

from troupe_client import protocol
from troupe_client.connection import DEFAULT_ENDPOINT, Connection, no_progress, no_server
from troupe_client.protocol import Chunk, Result, TroupeError, Welcome
from troupe_client.session import Event

T = TypeVar("T")


def sink_of(events: asyncio.Queue[T]) -> Callable[[T], None]:
    """A sink that another thread may call, for a queue of the running loop."""
    loop = asyncio.get_running_loop()

    def sink(event: T) -> None:
        try:
            loop.call_soon_threadsafe(events.put_nowait, event)
        except RuntimeError:
            pass  # the loop was closed: nobody is left to hear it

    return sink


class AsyncStream(AsyncIterator[Chunk]):
    """As Stream, for `async for`. `aclose`, or the end of an `async with` block, gives the rest of
    the answer up."""

    def __init__(self, client: AsyncClient, request_id: str, events: asyncio.Queue[Event]) -> None:
        self.id = request_id
        self.result: Result | None = None
        self._client = client
        self._events = events
        self._over = False

    async def __anext__(self) -> Chunk:
        if self._over:
            raise StopAsyncIteration
        try:
            event = await self._client._next_event(self.id, self._events)
        except TroupeError:
            await self.aclose()
            raise
        if isinstance(event, Chunk):
            return event
        self._over = True
        if isinstance(event, TroupeError):
            raise event
        self.result = event
        raise StopAsyncIteration

    async def cancel(self) -> None:
        """Asks the server to stop. Iteration then ends with finish_reason cancelled."""
        await self._client.cancel(self.id)

    async def aclose(self) -> None:
        """Gives the rest of the answer up."""
        if not self._over:
            self._over = True
            self._client._connection.abandon(self.id)

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncClient:
    """As Client, for asyncio; the arguments are the same."""

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

    async def welcome(self) -> Welcome:
        """The server's limits; waits for the connection. Raises TroupeError("unavailable", …)."""
        answer: asyncio.Queue[Union[Welcome, TroupeError]] = asyncio.Queue()
        self._connection.ask_welcome(sink_of(answer))
        try:
            welcome = await asyncio.wait_for(answer.get(), self._connect_timeout_s)
        except asyncio.TimeoutError:
            raise no_server(self._connection.endpoint, self._connect_timeout_s) from None
        if isinstance(welcome, TroupeError):
            raise welcome
        return welcome

    async def stream(
        self,
        prompt: str | None = None,
        *,
        messages: Sequence[Mapping[str, str]] | None = None,
        tokens: Iterable[int] | None = None,
        id: str | None = None,
        priority: int | None = None,
        deadline_ms: int | None = None,
        **sampling: Any,
    ) -> AsyncStream:
        """Starts a request and returns its chunks as they come; arguments and errors as of
        Client.stream."""
        request_id = id or uuid.uuid4().hex
        body = protocol.generate_body(
            request_id, prompt, messages, tokens, priority, deadline_ms, **sampling
        )
        events: asyncio.Queue[Event] = asyncio.Queue()
        self._connection.start(body, sink_of(events))
        return AsyncStream(self, request_id, events)

    async def generate(self, prompt: str | None = None, **arguments: Any) -> Result:
        """The whole answer; arguments and errors as of `stream`, and TroupeError when the request
        fails."""
        async with await self.stream(prompt, **arguments) as stream:
            async for _ in stream:
                pass
        assert stream.result is not None
        return stream.result

    async def cancel(self, request_id: str) -> None:
        """Asks the server to stop a request, whose stream then ends with finish_reason
        cancelled."""
        self._connection.cancel(request_id)

    async def close(self) -> None:
        """Cancels what is open and closes the connection. Streams that others still read fail with
        code closed."""
        await asyncio.get_running_loop().run_in_executor(None, self._connection.close)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _next_event(self, request_id: str, events: asyncio.Queue[Event]) -> Event:
        while True:
            welcomed = self._connection.welcomed.is_set()
            try:
                timeout_s = self._timeout_s if welcomed else self._connect_timeout_s
                return await asyncio.wait_for(events.get(), timeout_s)
            except asyncio.TimeoutError:
                if welcomed:
                    raise no_progress(request_id, self._timeout_s) from None
                if not self._connection.welcomed.is_set():
                    raise no_server(self._connection.endpoint, self._connect_timeout_s) from None
