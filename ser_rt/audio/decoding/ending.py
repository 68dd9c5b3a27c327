"""`Ending`: the last bytes of a recording, and what they tell of its completeness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ser_rt.audio.block import Block, SourceWarning
from ser_rt.audio.decoding.formats import is_plain
from ser_rt.audio.decoding.part import Recording
from ser_rt.errors import AudioDecodeError

_MOST_TAGS = 0.25
"""Bytes behind the sound that are more than this share of it are no tag of an unknown kind."""

_TAGS = (b"APETAGEX", b"LYRICS")
_MOST_PADDING, _PADDING = 4096, 0.1
"""Zeros behind the sound: a file is padded by fewer bytes than the first, or this share of it."""

TAIL_BYTES = 256


class Ending(NamedTuple):
    """The last bytes of a recording.

    Attributes:
        size: How many bytes the recording has.
        zeros: How many of the last ones are zero.
        tail: The last `TAIL_BYTES`.
        head: The first bytes, as many as `sniff` needs.
    """

    size: int
    zeros: int
    tail: bytes
    head: bytes

    def left_out(self, end_byte: int | None) -> int:
        """Return how many bytes stand behind the last frame; 0 if they may be tags."""
        if end_byte is None or any(mark in self.tail for mark in _TAGS):
            return 0
        rest = self.size - self.zeros - end_byte
        return rest if rest > _MOST_PADDING else 0

    @property
    def warnings(self) -> tuple[SourceWarning, ...]:
        """That it ends in zeros, as a download does whose place on the disk was kept free."""
        padding = min(max(_MOST_PADDING, _PADDING * self.size), _MOST_TAGS * self.size)
        if self.zeros <= padding or is_plain(self.head):
            return ()
        message = f"its last {self.zeros} bytes are zeros: it may have been cut off"
        return (SourceWarning("truncated", message),)


def check_end(
    recording: Recording,
    name: str,
    end_s: float,
    rate: int,
    problems: list[AudioDecodeError],
    ending: Ending,
    end_byte: int | None = None,
) -> Iterator[Block]:
    """Add what is missing of a recording to its problems, or yield a block with its warnings.

    ``end_byte`` is where its last frame ends, if bytes behind that are not decoded.
    """
    warnings = recording.warnings or ending.warnings
    left_out = 0 if problems else ending.left_out(end_byte)
    if left_out and not warnings:
        warnings = (SourceWarning("damaged", f"its last {left_out} bytes cannot be decoded"),)
    if recording.missing and not problems:
        msg = f"{name} is truncated at {end_s:.2f} s: {recording.missing}"
        problems.append(AudioDecodeError(msg))
    elif left_out > _MOST_TAGS * (end_byte or 0):
        msg = f"{name} goes on behind its end at {end_s:.2f} s: that is not decoded"
        problems.append(AudioDecodeError(msg))
    elif warnings:
        yield Block(np.zeros((0, 1), np.float32), rate, end_s, warnings)
