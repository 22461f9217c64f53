"""Client of Troupe, a language-model inference server, over its ZeroMQ protocol
(docs/protocol.md)."""

from troupe_client.aio import AsyncClient, AsyncStream
from troupe_client.client import Client, Stream
from troupe_client.protocol import Chunk, Result, TroupeError, Usage, Welcome

__version__ = "0.1.0"
__all__ = [
    "AsyncClient",
    "AsyncStream",
    "Chunk",
    "Client",
    "Result",
    "Stream",
    "TroupeError",
    "Usage",
    "Welcome",
]
