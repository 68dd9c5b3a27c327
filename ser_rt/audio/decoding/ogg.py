"""Lengths of Ogg files (RFC 3533): several may follow each other, each with a rate of its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.decoding.begins import begins_behind
from ser_rt.audio.decoding.part import Part
from ser_rt.audio.decoding.view import Bytes

_HEAD = 27
_BEGINS, _ENDS = 2, 4
_LONGEST_PAGE = 65_307
_MOST_HEADERS = 5
_MOST_LOST = 1_000
"""A number that goes on by more was never counted."""

_LATEST_S = 10.0
"""The first page of a whole recording ends before."""

NO_END_MARK = SourceWarning("truncated", "it has no end mark: it may have been cut off")
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def page_bytes(data: bytes, at: int = 0) -> int | None:
    """Return the length of the page at an offset, None if too few of its bytes are there."""
    begin = at + _HEAD
    if len(data) < begin or len(data) < begin + data[begin - 1]:
        return None
    return _HEAD + data[begin - 1] + sum(data[begin : begin + data[begin - 1]])


class OggLink:
    """Pages of one recording, a link of a chain.

    Attributes:
        breaks_off: Whether its last page is not whole.
    """

    def __init__(self) -> None:
        self.breaks_off = False
        self._has_sound = self._is_followed = self._is_skipping = self._has_times = False
        self._damaged = self._missing = self._pages = 0
        self._tracks: dict[bytes, _Track] = {}

    @property
    def _sound(self) -> list[_Track]:
        """The tracks of codecs of sound, or all if none is known: others may end before it."""
        tracks = list(self._tracks.values())
        return [track for track in tracks if track.clock.is_known] or tracks

    @property
    def is_ended(self) -> bool:
        """Whether a page of each of its tracks said that it is the last one."""
        return self._is_followed or (bool(sound := self._sound) and all(t.is_ended for t in sound))

    def is_ended_by(self, page: bytes) -> bool:
        """Return whether a page begins another recording."""
        begins = bool(page[5] & _BEGINS) and self._has_sound
        self._is_followed |= begins
        return begins

    def add(self, page: bytes) -> bool:
        """Take a page; return False, and count it, if it is damaged."""
        if not _is_intact(page):
            self.skip(page)
            return False
        self._is_skipping = False
        serial = page[14:18]
        if page[5] & _BEGINS or serial not in self._tracks:
            self._tracks[serial] = _Track(_Clock(page[_HEAD + page[26] :]))
        self._missing += self._tracks[serial].add(page, self._damaged)
        self._has_sound |= not page[5] & _BEGINS
        self._has_times |= any(page[6:14])
        self._pages += 1
        return True

    def skip(self, data: bytes) -> None:
        """Count a damaged page, once for all of its bytes; zeros and tags at the end are none."""
        if not self._is_skipping and not self.is_ended and data.strip(b"\0"):
            self._damaged += 1
            self._is_skipping = True

    @property
    def is_bare(self) -> bool:
        """Whether it has no pages but those of a header."""
        is_short = self._pages <= _MOST_HEADERS and not self._damaged
        return is_short and not (self._has_times or self.breaks_off)

    @property
    def promised_s(self) -> float | None:
        """Seconds up to its last page, if some before it are damaged.

        FFmpeg gives the last page no time of its own: a loss before it would go unseen.
        """
        return self._sound[0].last_s if self._damaged and self._tracks else None

    @property
    def missing(self) -> str:
        """Why it is known to be cut off; empty if it is not."""
        if self.breaks_off:
            return "it breaks off within a page"
        return "its last pages are damaged" if self._damaged and not self.is_ended else ""

    @property
    def warnings(self) -> tuple[SourceWarning, ...]:
        """How many pages are damaged or out of place, or that the last one is missing."""
        found = []
        if self._damaged:
            message = f"{self._damaged} of its pages are damaged, and left out"
            found.append(SourceWarning("damaged", message))
        if self._missing:
            message = f"pages are missing, or come twice, at {self._missing} places"
            found.append(SourceWarning("damaged", message))
        if not (self._damaged or self.is_ended or self.breaks_off):
            found.append(NO_END_MARK)
        return tuple(found)

    def part(self, start: int, end: int) -> Part:
        """Return its part of a file."""
        return Part(
            *(start, end, b"", self.promised_s, self.missing, self.warnings),
            is_bare=self.is_bare,
        )


def ogg_parts(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the links of a chain whose first one begins at an offset."""
    at, begin, link = start, start, OggLink()
    while at < file.size:
        page = file.at(at, _LONGEST_PAGE)
        size = page_bytes(page)
        if page[:4] != b"OggS":
            end = file.find(b"OggS", at + 1)
            other = begins_behind(file, at, end) if link.is_ended else None
            if other is not None:
                yield link.part(begin, other)
                return
            link.skip(page)
            at = end
            continue
        if size is None:
            link.breaks_off = True
            break
        if link.is_ended_by(page):
            yield link.part(begin, at)
            begin, link = at, OggLink()
        if size > len(page):
            link.breaks_off = True
            break
        if link.add(page[:size]):
            at += size
        else:
            at = file.find(b"OggS", at + 1)  # its size may be wrong
    yield link.part(begin, file.size)


class _Track:
    """Pages with one serial number."""

    def __init__(self, clock: _Clock) -> None:
        self.clock, self.is_ended = clock, False
        self.last_s: float | None = None
        self._last = (-1, b"")
        self._damaged = 0

    def add(self, page: bytes, damaged: int) -> bool:
        """Take a page; return whether pages before it are missing, or it came before.

        Pages are numbered; ``damaged`` is how many of all tracks were damaged up to here.
        """
        self.last_s = self.clock.seconds(page) or self.last_s
        self.is_ended |= bool(page[5] & _ENDS)
        (number, time), before = self._last, self._damaged
        self._last = here = int.from_bytes(page[18:22], "little"), page[6:14]
        self._damaged = damaged
        is_again = here == (number, time) and any(time)
        return is_again or (
            before == damaged and 1 < here[0] - number <= _MOST_LOST and number >= 0
        )


class _Clock:
    """Times of pages, by the first page of their stream: its codec counts samples of a rate."""

    def __init__(self, head: bytes) -> None:
        self._rate = self._skipped = 0
        if head.startswith(b"OpusHead"):  # RFC 7845: 48 kHz, and a pre-skip
            self._rate, self._skipped = 48_000, int.from_bytes(head[10:12], "little")
        elif head.startswith(b"\x01vorbis"):
            self._rate = int.from_bytes(head[12:16], "little")
        elif head.startswith(b"\x7fFLAC"):
            self._rate = int.from_bytes(head[27:30], "big") >> 4
        elif head.startswith(b"Speex   "):
            self._rate = int.from_bytes(head[36:40], "little")
        self._is_begun = self._is_late = False

    @property
    def is_known(self) -> bool:
        """Whether it is of a codec of sound."""
        return self._rate > 0

    def seconds(self, page: bytes) -> float | None:
        """Return when a page ends, None if unknown, as in a piece of a broadcast."""
        count = int.from_bytes(page[6:14], "little", signed=True) - self._skipped
        if self._rate <= 0 or count <= 0:
            return None
        self._is_late |= not self._is_begun and count > _LATEST_S * self._rate
        self._is_begun = True
        return None if self._is_late else count / self._rate


def _is_intact(page: bytes) -> bool:
    """Return whether a page is as it was written, by its check sum.

    Ogg's CRC-32 begins with 0 and takes the highest bits first; zlib's is its mirror image.
    """
    plain = page[:22] + b"\0\0\0\0" + page[26:]
    mirrored = zlib.crc32(plain.translate(_MIRRORED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{mirrored:032b}"[::-1], 2) == int.from_bytes(page[22:26], "little")
