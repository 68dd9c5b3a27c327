"""Watchers: the structure of a recording, followed as its bytes pass.

They find in a stream what `containers` finds in a file: the beginning of the next recording, and
whether this one is cut off or damaged.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.decoding import avi, nut
from ser_rt.audio.decoding.begins import BEGINS, LONGEST
from ser_rt.audio.decoding.chunked import SLACK_BYTES
from ser_rt.audio.decoding.formats import SNIFFED_BYTES, sniff
from ser_rt.audio.decoding.matroska import LOST_BLOCKS
from ser_rt.audio.decoding.mp3 import TAGS, tag_bytes
from ser_rt.audio.decoding.ogg import OggLink, page_bytes
from ser_rt.audio.decoding.part import BAD_BLOCK, CUT_OFF, CUT_PACKET, NO_END, Recording
from ser_rt.audio.decoding.units import STRUCTURES, Structure, Unit

_LONGEST_HEAD, _LONGEST_MARK = 64, 189
_STREAMS = ("MPEG", "MPEG-TS")
"""Formats that recorders may stop anywhere, so that a cut is no certain loss."""

_UNCUT = (*_STREAMS, "AU")
"""These, and one whose first bytes always give its length."""


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
    if name == "Ogg":
        return OggWatcher()
    if name == "NUT":
        return NutWatcher()
    return StructureWatcher(STRUCTURES.get(name), name, before=tag_bytes(head))


class OggWatcher(OggLink):
    """Pages of an Ogg stream, with their check sums."""

    _held = b""

    def feed(self, data: bytes) -> Cut | None:
        """Take bytes; return where another recording begins in them, if one does."""
        before, held, at = len(self._held), self._held + data, 0
        while (found := held.find(b"OggS", at)) >= 0:
            other = BEGINS.search(held, at, found)
            if other is not None:
                return self._cut(held, other.start(), before)
            self.skip(held[at:found])
            at = found
            size = page_bytes(held, at)
            if size is None:
                break
            if self.is_ended_by(held[at : at + 6]):
                return self._cut(held, at, before)
            if at + size > len(held):
                break
            at += size if self.add(held[at : at + size]) else 1
        else:
            other = BEGINS.search(held, at)
            if other is not None:
                return self._cut(held, other.start(), before)
            end = max(at, len(held) - LONGEST)
            self.skip(held[at:end])
            at = end
        self._held = held[at:]
        self.breaks_off = self._held.startswith(b"OggS")
        return None

    def _cut(self, held: bytes, at: int, before: int) -> Cut:
        self.breaks_off = False
        return Cut(max(0, at - before), held[at:before])


class StructureWatcher:
    """Units of a container; bytes between their heads are passed over.

    Where there are none, or they are lost, the beginning of another recording is looked for.
    """

    def __init__(self, structure: Structure | None, name: str, *, before: int = 0) -> None:
        """Follow units; of a format without, skip the bytes of a tag before it."""
        self._structure, self._name = structure, name
        self._held, self._head = b"", b""
        self._skip = 0 if structure is not None else before + 1
        self._last = Unit(0)
        self._passed = self._lost_at = self._base = 0
        self._is_lost = self._has_sound = structure is None
        self._is_damaged = False

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
        if self._name == "VOC" and self._is_damaged and self._last.has_sound:
            return BAD_BLOCK
        if self._name == "WAV" and self._is_damaged and self._passed - self._lost_at > SLACK_BYTES:
            return "it goes on behind the length in its header, and that is not decoded"
        slack = SLACK_BYTES if self._name == "WAV" else 0
        is_cut = self._skip > slack and self._last.has_sound and self._name not in _UNCUT
        return CUT_OFF if is_cut else ""

    @property
    def warnings(self) -> tuple[SourceWarning, ...]:
        """That chunks are damaged, or the last packet may be cut off."""
        if self._name == "VOC" and self._last.has_sound:
            return (NO_END,)
        if self._name in _STREAMS and (self._skip or self._held):
            return (CUT_PACKET,)
        return (avi.DAMAGED,) if self._name == "AVI" and self._is_damaged else ()

    def feed(self, data: bytes) -> Cut | None:
        """Take bytes; return where another recording begins in them, if one does."""
        self._head += data[: max(0, avi.HEAD_BYTES - len(self._head))]
        before, held, at = len(self._held), self._held + data, 0
        self._base = self._passed - before
        begun: bool | None = None
        while at < len(held) and begun is None:
            step = self._through if self._skip else self._search if self._is_lost else self._next
            at, begun = step(held, at)
        if begun:
            self._held = b""
            return Cut(max(0, at - before), held[at:before])
        self._held = held[at:]
        self._passed += len(data)
        return None

    def _next(self, held: bytes, at: int) -> tuple[int, bool | None]:
        """Begin a unit at an offset; return how far that goes, and whether a recording begins.

        False, here and below, if more bytes have to come, and None if there is more to do.
        """
        assert self._structure is not None  # noqa: S101 (for the type checker)
        unit = self._structure.unit(held[at : at + _LONGEST_HEAD])
        if unit is None and len(held) < at + _LONGEST_HEAD:
            return at, False
        if unit is not None and unit.size > 0:
            if unit.begins and self._has_sound:
                return at, True
            self._has_sound |= unit.has_sound
            self._last, self._skip = unit, unit.size - 1
            return at + 1, None
        behind = at + self._structure.trailer
        if self._has_sound and sniff(held[behind : behind + SNIFFED_BYTES]) is not None:
            return behind, True
        self._lose(held[behind : behind + _LONGEST_HEAD], self._base + at)
        return at + 1, None

    def _through(self, held: bytes, at: int) -> tuple[int, bool | None]:
        """Pass the rest of a unit, unless another recording begins in it: it was cut off."""
        passed = min(self._skip, len(held) - at)
        if self._structure is not None and self._last.has_sound:
            begun = self._structure.begun(held, at, at + passed)
            if begun is not None:
                self._skip -= begun - at
                return begun, True
            if passed < self._skip:  # a beginning may be cut anywhere
                passed = max(0, passed - LONGEST)
        self._skip -= passed
        return at + passed, None if passed else False

    def _search(self, held: bytes, at: int) -> tuple[int, bool | None]:
        """Look for a unit behind damage, or another recording."""
        other, found = BEGINS.search(held, at), self._next_unit(held, at)
        is_first = other is not None and (found is None or other.start() <= found)
        if self._has_sound and other is not None and is_first:
            return other.start(), True
        if found is None:
            return max(at, len(held) - _LONGEST_MARK), False
        self._is_lost = False
        return found, None

    def _next_unit(self, held: bytes, at: int) -> int | None:
        """Return where a unit may begin behind damage; None if nothing there says so."""
        mark = None if self._structure is None else self._structure.mark
        found = None if mark is None else mark.search(held, at)
        return None if found is None else found.start()

    def _lose(self, data: bytes, position: int) -> None:
        self._is_lost = True
        if self._structure is None or self._structure.mark is None:
            self._is_damaged |= self._name == "WAV" and _is_other(data)
            self._lost_at = position
            if self._name != "WAV":
                self._structure = None
            return
        is_within = self._name == "AVI" and position < avi.stated_end(self._head)
        self._is_damaged |= is_within or _is_other(data)


def _is_other(data: bytes) -> bool:
    """Return whether bytes are neither padding nor a tag."""
    return bool(data.strip(b"\0")) and not data.startswith(TAGS)


class NutWatcher(StructureWatcher):
    """A NUT file, whose index says when its last frame begins."""

    def __init__(self) -> None:
        """Begin before the first byte."""
        super().__init__(None, "NUT")
        self._recent = self._index = b""

    @property
    def promised_s(self) -> float | None:
        """Seconds by the index, if it has come."""
        return nut.stated_s(self._head, self._index)

    @property
    def warnings(self) -> tuple[SourceWarning, ...]:
        """That it has no index."""
        return () if self._index else (NO_END,)

    def feed(self, data: bytes) -> Cut | None:
        """Take bytes; return where another recording begins in them, if one does."""
        cut = super().feed(data)
        held = (self._recent + data)[: None if cut is None else len(self._recent) + cut.at]
        found = held.rfind(nut.INDEX)
        if found >= 0:
            self._index = held[found:]
        elif self._index:
            self._index += data[: nut.INDEX_BYTES]
        self._recent = held[1 - len(nut.INDEX) :]
        return cut
