"""Watchers: the structure of a recording, followed as its bytes pass.

They find in a stream what `containers` finds in a file: the beginning of the next recording, and
whether this one is cut off or damaged.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.decoding import avi
from ser_rt.audio.decoding.chunked import SLACK_BYTES
from ser_rt.audio.decoding.formats import sniff
from ser_rt.audio.decoding.matroska import LOST_BLOCKS
from ser_rt.audio.decoding.ogg import OggLink, page_bytes
from ser_rt.audio.decoding.part import CUT_OFF, CUT_PACKET, Recording
from ser_rt.audio.decoding.units import STRUCTURES, Structure, Unit

_LONGEST_HEAD, _LONGEST_MARK = 64, 189
_STREAMS = ("MPEG", "MPEG-TS")
"""Formats that recorders may stop anywhere, so that a cut is no certain loss."""


class Cut(NamedTuple):
    """Where another recording begins.

    Attributes:
        at: How many of the bytes are before it.
        begun: Those of its bytes that came before them.
    """

    at: int
    begun: bytes


class Watcher(Recording, Protocol):
    """One recording in a stream of bytes."""

    def feed(self, data: bytes) -> Cut | None:
        """Take bytes; return where another recording begins in them, if one does."""
        ...


def watcher(head: bytes) -> Watcher:
    """Return the watcher of a stream that begins so."""
    name = sniff(head) or ""
    return OggWatcher() if name == "Ogg" else StructureWatcher(STRUCTURES.get(name), name)


class OggWatcher(OggLink):
    """Pages of an Ogg stream, with their check sums."""

    _held = b""

    def feed(self, data: bytes) -> Cut | None:
        """Take bytes; return where another recording begins in them, if one does."""
        before, held, at = len(self._held), self._held + data, 0
        while (found := held.find(b"OggS", at)) >= 0:
            self.skip(held[at:found])
            at = found
            size = page_bytes(held, at)
            if size is None:
                break
            if self.is_ended_by(held[at : at + 6]):
                self.breaks_off = False
                return Cut(max(0, at - before), held[at:before])
            if at + size > len(held):
                break
            at += size if self.add(held[at : at + size]) else 1
        else:
            end = max(at, len(held) - 3)
            self.skip(held[at:end])
            at = end
        self._held = held[at:]
        self.breaks_off = self._held.startswith(b"OggS")
        return None


class StructureWatcher:
    """Units of a container; bytes between their heads are passed over."""

    def __init__(self, structure: Structure | None, name: str) -> None:
        """Follow units, or nothing if the format has none."""
        self._structure, self._name = structure, name
        self._held, self._head, self._skip = b"", b"", 0
        self._last = Unit(0)
        self._has_sound = self._is_lost = self._is_damaged = False

    @property
    def promised_s(self) -> float | None:
        """Seconds that the header promises, if the structure is damaged."""
        is_needed = self._name == "AVI" and self._is_damaged
        return avi.stated_s(self._head) if is_needed else None

    @property
    def missing(self) -> str:
        """Why the recording is known to be cut off; empty if it is not."""
        if self._structure is None:
            return ""
        if self._name == "Matroska or WebM" and self._is_lost and self._is_damaged:
            return LOST_BLOCKS
        slack = SLACK_BYTES if self._name == "WAV" else 0
        is_cut = self._skip > slack and self._last.has_sound and self._name not in _STREAMS
        return CUT_OFF if is_cut else ""

    @property
    def warnings(self) -> tuple[SourceWarning, ...]:
        """That chunks are damaged, or the last packet may be cut off."""
        if self._name in _STREAMS and (self._skip or self._held):
            return (CUT_PACKET,)
        return (avi.DAMAGED,) if self._name == "AVI" and self._is_damaged else ()

    def feed(self, data: bytes) -> Cut | None:
        """Take bytes; return where another recording begins in them, if one does."""
        self._head += data[: max(0, avi.HEAD_BYTES - len(self._head))]
        before, held, at = len(self._held), self._held + data, 0
        while self._structure is not None and at < len(held):
            if self._skip:
                passed = min(self._skip, len(held) - at)
                at, self._skip = at + passed, self._skip - passed
                continue
            if self._is_lost and self._structure.mark is not None:
                found = self._structure.mark.search(held, at)
                if found is None:
                    at = max(at, len(held) - _LONGEST_MARK)
                    break
                at, self._is_lost = found.start(), False
            unit = self._structure.unit(held[at : at + _LONGEST_HEAD])
            if unit is None and len(held) < at + _LONGEST_HEAD:
                break
            if unit is None or unit.size <= 0:
                self._lose(held[at : at + _LONGEST_HEAD])
                at += 1
            elif unit.begins and self._has_sound:
                self._held = b""
                return Cut(max(0, at - before), held[at:before])
            else:
                self._has_sound |= unit.has_sound
                self._last, self._skip = unit, unit.size
        self._held = held[at:]
        return None

    def _lose(self, data: bytes) -> None:
        if self._structure is None or self._structure.mark is None:
            self._structure = None
            return
        self._is_lost = True
        self._is_damaged |= bool(data.strip(b"\0"))
