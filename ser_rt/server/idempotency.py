"""`KeptAnswers`: answers to requests with an ``Idempotency-Key``, kept for those that come again.

As draft-ietf-httpapi-idempotency-key-header has it: the same key with the same content has the same
answer without a second computation, and with other content it is refused. Errors are not kept.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ser_rt.server.protocol import ProtocolError

HEADER = "idempotency-key"
REPLAYED = "idempotent-replayed"
"""Header of an answer that was there already."""

EXPIRY_S = 3_600.0
MOST_BYTES = 32_000_000
MOST_ANSWERS = 1_000
_KEY = re.compile(r'"?([\x21\x23-\x7e]{1,255})"?', re.ASCII)

Name = tuple[str, str]
"""The client's API key, and its name for the request."""


@dataclass
class _Entry:
    fingerprint: str
    expires_at: float
    answer: bytes | None = None
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class KeptAnswers:
    """The answers of one process, in bounded memory; the oldest go first."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        expiry_s: float = EXPIRY_S,
        most_bytes: int = MOST_BYTES,
        most: int = MOST_ANSWERS,
    ) -> None:
        """Keep each for ``expiry_s``, and at most so many, or so many bytes of them."""
        self._clock, self._expiry_s = clock, expiry_s
        self._most_bytes, self._most = most_bytes, most
        self._entries: OrderedDict[Name, _Entry] = OrderedDict()

    async def get(
        self, name: Name, fingerprint: str, compute: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """Return an answer, and whether it was there already.

        Where another request computes it now, wait for that; if that fails, compute it here.

        Raises:
            ProtocolError: The key stood for other content before, or as ``compute`` does.
        """
        while (entry := self._found(name)) is not None:
            if entry.fingerprint != fingerprint:
                msg = "this Idempotency-Key came with another file or settings: take a new one"
                raise ProtocolError(msg, "key_reused")
            if entry.answer is not None:
                return entry.answer, True
            await entry.is_over.wait()
        entry = _Entry(fingerprint, self._clock() + self._expiry_s)
        self._entries[name] = entry
        try:
            entry.answer = await compute()
        except BaseException:  # a client that left, too
            self._entries.pop(name, None)
            raise
        finally:
            entry.is_over.set()
        self._shrink()
        return entry.answer, False

    def _found(self, name: Name) -> _Entry | None:
        now = self._clock()
        for old, entry in list(self._entries.items()):
            if entry.is_over.is_set() and entry.expires_at < now:
                del self._entries[old]
        return self._entries.get(name)

    def _shrink(self) -> None:
        """Drop the oldest answers beyond the bounds; those that are computed now stay."""
        kept = {name: e.answer for name, e in self._entries.items() if e.answer is not None}
        total = sum(map(len, kept.values()))
        for name, answer in kept.items():
            if total <= self._most_bytes and len(self._entries) <= self._most:
                return
            del self._entries[name]
            total -= len(answer)


def key_of(text: str) -> str:
    """Return the key of a header, with or without quotes.

    Raises:
        ProtocolError: It is none.
    """
    found = _KEY.fullmatch(text)
    if found is None:
        msg = f"Idempotency-Key must be 1 to 255 visible ASCII characters, not {text[:80]!r}"
        raise ProtocolError(msg, "bad_request")
    return found[1]
