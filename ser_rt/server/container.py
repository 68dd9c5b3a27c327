"""Opus in WebM or Ogg as it comes: a file that is still being written, decoded by FFmpeg."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy.typing as npt

from ser_rt.errors import AudioDecodeError
from ser_rt.runtime.sources.decoding import AvDecoder

MARKS = {b"OggS": "ogg", b"\x1a\x45\xdf\xa3": "matroska"}
"""First bytes of each container, and FFmpeg's name of it."""

MAX_BLOCKS = 4
_MARK_BYTES = 4


class ContainerInput:
    """Decodes in a thread of its own, since FFmpeg pulls; `feed` waits for it to have used all.

    So what comes out depends on the bytes alone, and not on the time.
    """

    trailing_bytes = 0
    sample_rate: int | None = None

    def __init__(self, piece_s: float) -> None:
        """Take bytes, give pieces of at most ``piece_s`` seconds."""
        self._piece_s = piece_s
        self._changed = threading.Condition()
        self._bytes = bytearray()
        self._blocks: deque[npt.NDArray[Any]] = deque()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._is_hungry = self._is_complete = self._is_over = self._is_closed = False

    def feed(self, data: bytes) -> Iterator[npt.NDArray[Any]]:
        """Yield pieces as far as the bytes go.

        Raises:
            AudioDecodeError: They are no WebM or Ogg with audio.
        """
        with self._changed:
            self._bytes += data
            self._is_hungry = False
            self._changed.notify_all()
        if self._thread is None and len(self._bytes) >= _MARK_BYTES:
            self._start(bytes(self._bytes[:_MARK_BYTES]))
        yield from self._decoded()

    def flush(self) -> Iterator[npt.NDArray[Any]]:
        """Yield what is left at the end."""
        with self._changed:
            self._is_complete, self._is_hungry = True, False
            self._changed.notify_all()
        if self._thread is None and self._bytes:
            self._start(bytes(self._bytes))
        yield from self._decoded()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_complete = self._is_closed = True
            self._changed.notify_all()

    def read(self, size: int) -> bytes:
        """Wait for bytes, for FFmpeg; none at the end."""
        with self._changed:
            while not self._bytes and not self._is_complete:
                self._is_hungry = True
                self._changed.notify_all()
                self._changed.wait()
            if self._is_closed:
                return b""
            data = bytes(self._bytes[:size])
            del self._bytes[:size]
            return data

    def _start(self, mark: bytes) -> None:
        if mark not in MARKS:
            msg = "the audio is no WebM or Ogg file, as encoding opus needs"
            raise AudioDecodeError(msg)
        self._thread = threading.Thread(
            target=self._work, args=(MARKS[mark],), name="ser-rt-opus", daemon=True
        )
        self._thread.start()

    def _work(self, container: str) -> None:
        try:
            with closing(AvDecoder(self, formats=container)) as decoder:
                self.sample_rate = decoder.sample_rate
                for block in decoder.blocks(max(1, round(self._piece_s * decoder.sample_rate))):
                    if not self._put(block):
                        return
        except Exception as error:  # noqa: BLE001 (it is raised again where the bytes come from)
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    def _put(self, block: npt.NDArray[Any]) -> bool:
        """Hand a block over; return whether more is wanted."""
        with self._changed:
            while len(self._blocks) >= MAX_BLOCKS and not self._is_closed:
                self._changed.wait()
            self._blocks.append(block)
            self._changed.notify_all()
            return not self._is_closed

    def _decoded(self) -> Iterator[npt.NDArray[Any]]:
        """Yield blocks until the decoder has used all bytes, or ended."""
        while self._thread is not None:
            with self._changed:
                while not (self._blocks or self._is_hungry or self._is_over):
                    self._changed.wait()
                if self._is_closed or not self._blocks:
                    break
                block = self._blocks.popleft()
                self._changed.notify_all()
            yield block
        if self._error is not None and not self._is_closed:
            raise self._error
