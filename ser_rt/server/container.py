"""`ContainerDecoder`: decodes a container file while it is still being written.

Browsers' MediaRecorder writes Opus in WebM or Ogg, and AAC or Opus in fragmented MP4 (Safari).
FFmpeg decodes them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing

from ser_rt.audio.block import Block
from ser_rt.audio.decoding.formats import sniff
from ser_rt.audio.decoding.passing import Prompt
from ser_rt.audio.decoding.stream_decoder import StreamDecoder
from ser_rt.errors import AudioDecodeError

FORMATS = ("Ogg", "Matroska or WebM", "MP4")

MAX_BLOCKS = 4
_MARK_BYTES = 12


class ContainerDecoder:
    """Decodes in a thread of its own, since FFmpeg pulls its input.

    `feed` waits until the decoder has consumed all bytes, so that blocks depend on the bytes alone
    and not on timing.
    """

    trailing_bytes = 0

    def __init__(self, piece_s: float) -> None:
        """Yield blocks of at most ``piece_s`` seconds."""
        self._piece_s = piece_s
        self._changed = threading.Condition()
        self._bytes = bytearray()
        self._blocks: deque[Block] = deque()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._is_hungry = self._is_complete = self._is_over = self._is_closed = False

    def feed(self, data: bytes) -> Iterator[Block]:
        """Yield the blocks that the bytes complete.

        Raises:
            AudioDecodeError: They are no WebM, Ogg or MP4 with audio.
        """
        with self._changed:
            self._bytes += data
            self._is_hungry = False
            self._changed.notify_all()
        least = 1 if self._is_complete else _MARK_BYTES
        if self._thread is None and len(self._bytes) >= least:
            self._start()
        yield from self._decoded()

    def flush(self) -> Iterator[Block]:
        """Yield the rest of the audio at the end of the stream."""
        self._is_complete = True
        yield from self.feed(b"")

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_complete = self._is_closed = True
            self._changed.notify_all()

    def read(self, size: int) -> bytes:
        """Return bytes to FFmpeg, waiting for some; none at the end."""
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

    def _start(self) -> None:
        if sniff(bytes(self._bytes[:_MARK_BYTES])) not in FORMATS:
            msg = "the audio is no WebM, Ogg or MP4 file, as encoding opus needs"
            raise AudioDecodeError(msg)
        self._thread = threading.Thread(target=self._work, name="ser-rt-container", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            with closing(StreamDecoder(Prompt(self.read), "the stream")) as decoder:
                for block in decoder.blocks(self._piece_s):
                    if not self._put(block):
                        return
        except Exception as error:  # noqa: BLE001 (raised again in the thread that feeds)
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    def _put(self, block: Block) -> bool:
        """Hand a block over; return whether more is wanted."""
        with self._changed:
            while len(self._blocks) >= MAX_BLOCKS and not self._is_closed:
                self._changed.wait()
            self._blocks.append(block)
            self._changed.notify_all()
            return not self._is_closed

    def _decoded(self) -> Iterator[Block]:
        """Yield blocks until the decoder has consumed all bytes, or has ended."""
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
