"""The Python client of ``ser-serve``.

    from ser_rt.client import Client

    for event in Client("ws://127.0.0.1:8765/v1/stream").stream("speech.wav"):
        print(event.start, event.end, event.emotion)

`AsyncClient` is the same for asyncio. Both drive one protocol (`conversation`, sans I/O) over
one kind of connection (`connection`).
"""

from ser_rt.client.blocking import Client
from ser_rt.client.connection import AsyncClient
from ser_rt.client.messages import Ready

__all__ = ["AsyncClient", "Client", "Ready"]
