"""`Passing`: a stream cut into recordings, on its way to a decoder."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from ser_rt.audio.block import Readable, SourceWarning, read_up_to
from ser_rt.audio.decoding.begins import frames
from ser_rt.audio.decoding.chunked import SLACK_BYTES
from ser_rt.audio.decoding.containers import promised_s, stated_bytes
from ser_rt.audio.decoding.ending import TAIL_BYTES, Ending
from ser_rt.audio.decoding.formats import SNIFFED_BYTES, sniff, with_whole_bits
from ser_rt.audio.decoding.mp3 import tag_bytes
from ser_rt.audio.decoding.watch import Watcher, watcher
from ser_rt.errors import AudioDecodeError

_BLOCK = 1 << 16
_LONGEST_TAG, _MOST_ZEROS = 1 << 26, 1 << 20
_LEAST = 16
"""Bytes from which `watcher` knows the format."""

_LEAST_OF_WAV = 64
"""The same of WAV, whose header may have to be put right."""


def first_bytes(read: Callable[[int], bytes]) -> bytes:
    """Read the beginning of a recording, past tags and zeros that stand before it."""
    head = read_up_to(read, SNIFFED_BYTES)
    while (size := tag_bytes(head)) and size < _LONGEST_TAG:
        head = read_up_to(read, SNIFFED_BYTES, read_up_to(read, size, head)[size:])
    zeros = len(head) - len(head.lstrip(b"\0"))
    if sniff(head) is not None or not zeros:
        begin = None if sniff(head) is not None else frames(head)
        return head[begin:]  # of a radio programme, which is cut anywhere
    while zeros == len(head) and zeros < _MOST_ZEROS:
        longer = read_up_to(read, zeros + SNIFFED_BYTES, head)
        if len(longer) == len(head):
            return head
        head, zeros = longer, len(longer) - len(longer.lstrip(b"\0"))
    head = read_up_to(read, zeros + SNIFFED_BYTES, head)
    # The size of an MP4 box begins with zeros of its own.
    begins = (head[zeros - n :] for n in range(min(4, zeros + 1)))
    return next((begin for begin in begins if sniff(begin) is not None), head)


class Prompt(NamedTuple):
    """Bytes of a buffered stream as they come: its ``read1``, and its ``close`` if it is ours."""

    read: Callable[[int], bytes]
    close: Callable[[], None] = lambda: None


class PutBack:
    """A stream with bytes that were read of it put back in front."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        if not self._head:
            return self._stream.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data

    read1 = read

    def close(self) -> None:
        """Close the stream, if it can be closed."""
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()


class TimedReader(PutBack):
    """A stream that counts the seconds spent waiting for it, and whose errors have its name."""

    def __init__(self, stream: Readable, name: str) -> None:
        super().__init__(b"", stream)
        self._name, self.waited_s = name, 0.0

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end.

        Raises:
            AudioDecodeError: The stream cannot be read.
        """
        before = time.monotonic()
        try:
            return super().read(size)
        except OSError as error:
            if isinstance(error, AudioDecodeError):
                raise
            msg = f"{self._name} cannot be read: {error.strerror or error}"
            raise AudioDecodeError(msg) from error
        finally:
            self.waited_s += time.monotonic() - before


class Passing:
    """A stream that ends where a recording does, and goes on with the next."""

    def __init__(self, stream: Readable) -> None:
        self._stream = TimedReader(stream, "the input")
        self._next = self._head = b""
        self._is_over = False
        self._count = self._zeros = 0
        self._tail = b""
        self._watch: Watcher | None = None

    @property
    def waited_s(self) -> float:
        """Seconds spent waiting for bytes."""
        return self._stream.waited_s

    @property
    def head(self) -> bytes:
        """The first bytes of the recording, as far as they have come."""
        return self._head

    @property
    def missing(self) -> str:
        """Why the recording is known to be cut off; empty if it is not."""
        stated = stated_bytes(self._head)
        if stated is not None and stated - self._count > SLACK_BYTES:
            return f"its header promises {stated} bytes, and {self._count} came"
        return "" if self._watch is None else self._watch.missing

    @property
    def is_followed(self) -> bool:
        """Whether another recording follows."""
        return self._is_over

    @property
    def is_bare(self) -> bool:
        """Whether it is a header alone, as of a song that was skipped."""
        return getattr(self._watch, "is_bare", False)

    @property
    def promised_s(self) -> float | None:
        """Seconds that it should have, where that is known exactly."""
        promise_s = None if self._watch is None else self._watch.promised_s
        return promise_s or promised_s(sniff(self._head) or "", self._head)

    @property
    def warnings(self) -> tuple[SourceWarning, ...]:
        """Its oddities that are no certain loss."""
        return () if self._watch is None else self._watch.warnings

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end of the recording.

        Raises:
            AudioDecodeError: The stream cannot be read.
        """
        if self._is_over:
            return b""
        if self._watch is None:
            self._watch = watcher(self.peek())
        data = self._taken(size)
        self._head += data[: max(0, SNIFFED_BYTES - len(self._head))]
        cut = self._watch.feed(data)
        if cut is not None:
            self._is_over = True
            self._next = cut.begun + data[cut.at :] + self._next
            data = data[: cut.at]
        self._note(data)
        return data

    def _note(self, data: bytes) -> None:
        """Count bytes, and the zeros at their end."""
        self._count += len(data)
        zeros = len(data) - len(data.rstrip(b"\0"))
        self._zeros = zeros + (self._zeros if zeros == len(data) else 0)
        self._tail = (self._tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]

    def peek(self) -> bytes:
        """Return the next bytes, enough to know their format, without taking them."""
        while len(self._next) < self._least and (more := self._stream.read(SNIFFED_BYTES)):
            self._next += more
        if self._next[:4] == b".snd" and not any(self._next[8:12]):
            self._next = self._next[:8] + b"\xff\xff\xff\xff" + self._next[12:]  # of unknown length
        self._next = with_whole_bits(self._next)
        return self._next

    @property
    def _least(self) -> int:
        """Bytes from which the format is known."""
        return _LEAST_OF_WAV if self._next.startswith(b"RIFF") else _LEAST

    def _taken(self, size: int) -> bytes:
        if not self._next:
            return self._stream.read(size)
        data, self._next = self._next[:size], self._next[size:]
        return data

    @property
    def ending(self) -> Ending:
        """How its bytes end."""
        return Ending(self._count, self._zeros, self._tail, self._head)

    def put_back(self, data: bytes) -> None:
        """End the recording before bytes of it, which are those of the next."""
        self._next, self._is_over = data + self._next, True

    def drain(self) -> None:
        """Read the rest of the recording, which the decoder has left."""
        while self.read(_BLOCK):
            pass

    def go_on(self) -> bool:
        """Begin with the next recording; return whether there is one."""
        is_more = self._is_over
        if is_more:
            self._head, self._is_over, self._watch = b"", False, None
            self._count, self._zeros, self._tail = 0, 0, b""
        if is_more and tag_bytes(self.peek()):  # it may stand behind the last recording
            self._next = first_bytes(self._taken) + self._next
            return sniff(self._next) is not None or len(self._next) >= SNIFFED_BYTES
        return is_more
