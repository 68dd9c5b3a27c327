"""`Part`, a recording within a file, and its length by its container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ser_rt.audio.block import SourceWarning


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
        is_bare: Whether it is a header alone, as of a song that was skipped.
    """

    start: int
    end: int
    header: bytes = b""
    promised_s: float | None = None
    missing: str = ""
    warnings: tuple[SourceWarning, ...] = ()
    is_bare: bool = False


SLACK_S = 0.05
"""A header that is off by less is no fault: recorders count their own header, or round."""

LOSSY_SLACK_S = 0.2
"""The same where a codec adds silence of its own at both ends."""

CUT_OFF = "it is shorter than its header says"

BAD_BLOCK = "one of its blocks is damaged, and what follows that is not decoded"

NO_END = SourceWarning("truncated", "the mark of its end is missing: it may have been cut off")

CUT_PACKET = SourceWarning("truncated", "it may have been cut off within a packet")
