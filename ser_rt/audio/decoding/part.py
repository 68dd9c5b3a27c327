"""`Part`, a recording within a file, and its length by its container."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ser_rt.audio.block import Block, SourceWarning
from ser_rt.errors import AudioDecodeError


class Recording(Protocol):
    """Facts about a recording besides its sound, known once that is decoded."""

    @property
    def promised_s(self) -> float | None:
        """Seconds that it should have, where that is known exactly."""
        ...

    @property
    def missing(self) -> str:
        """Why it is known to be cut off, whatever is decoded; empty if it is not."""
        ...

    @property
    def warnings(self) -> tuple[SourceWarning, ...]:
        """Its oddities that are no certain loss."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One of the recordings that make up a file; most files have one.

    Attributes:
        start: Offset of its first byte.
        end: Offset behind its last byte.
        header: Its corrected first bytes, where those in the file give a wrong length.
        promised_s: As of `Recording`, like the others.
    """

    start: int
    end: int
    header: bytes = b""
    promised_s: float | None = None
    missing: str = ""
    warnings: tuple[SourceWarning, ...] = ()


SLACK_S = 0.05
"""A header that is off by less is no fault: recorders count their own header, or round."""

LOSSY_SLACK_S = 0.2
"""The same where a codec adds silence of its own at both ends."""

CUT_OFF = "it is shorter than its header says"

CUT_PACKET = SourceWarning("truncated", "it may have been cut off within a packet")


_MOST_TAGS = 0.25
"""Tags behind the sound are smaller than this share of it, but for those with pictures."""

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
        is_plain: Whether zeros are silence, as in plain samples.
    """

    size: int
    zeros: int
    tail: bytes
    is_plain: bool

    def is_left_out(self, end_byte: int | None) -> bool:
        """Return whether more than tags stands behind the last frame."""
        if end_byte is None or any(mark in self.tail for mark in _TAGS):
            return False
        return self.size - self.zeros - end_byte > max(_MOST_PADDING, _MOST_TAGS * end_byte)

    @property
    def warnings(self) -> tuple[SourceWarning, ...]:
        """That it ends in zeros, as a download does whose place on the disk was kept free."""
        padding = min(max(_MOST_PADDING, _PADDING * self.size), _MOST_TAGS * self.size)
        if self.is_plain or self.zeros <= padding:
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
    if recording.missing and not problems:
        msg = f"{name} is truncated at {end_s:.2f} s: {recording.missing}"
        problems.append(AudioDecodeError(msg))
    elif not problems and ending.is_left_out(end_byte):
        msg = f"{name} goes on behind its end at {end_s:.2f} s: that is not decoded"
        problems.append(AudioDecodeError(msg))
    elif warnings:
        yield Block(np.zeros((0, 1), np.float32), rate, end_s, warnings)
