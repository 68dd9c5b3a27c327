"""`Damage`: losses while a recording is decoded, their times and their report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ser_rt.audio.block import Block
from ser_rt.audio.decoding.mp3 import frame_bytes, stated_frames, stated_s, tag_bytes
from ser_rt.audio.decoding.part import LOSSY_SLACK_S
from ser_rt.audio.decoding.timeline import FILL_S, Timeline
from ser_rt.errors import AudioDecodeError

_MARKS = re.compile(b"Xing|Info|VBRI|ID3|TAG|LYRICSBE")
"""Marks in packets of an MP3 file that are no sound."""


_LISTS, _LISTED_SLACK_S, _LISTED_SLACK = {"hls", "dash"}, 1.0, 0.05
"""Lengths of parts in playlists are rounded."""


class Damage:
    """Losses while one recording is decoded.

    Attributes:
        broken: The error that ended reading early.
        is_unreported: Whether something was lost that no warning has reported yet.
        promised_s: Seconds by the headers of recordings within it, if it was joined of several.
        last_byte: Offset behind the last frame; FFmpeg may have added bytes that follow it.
        last_begin: Offset of the last frame.
    """

    def __init__(self, name: str, *, counts_bytes: bool, has_padding: bool) -> None:
        """Note how the recording is stored.

        Args:
            name: Its name in messages.
            counts_bytes: Whether bytes tell better than packets how long a loss is.
            has_padding: Whether packets of zeros at its end may be no packets.
        """
        self._name, self._counts_bytes, self._has_padding = name, counts_bytes, has_padding
        self.broken: Exception | None = None
        self.is_unreported = False
        self.promised_s = 0.0
        self._lost_s, self._lost, self._lost_bytes = 0.0, 0, 0
        self._is_padding, self._is_cut = True, False
        self._decoded_s, self._decoded_bytes, self._largest = 0.0, 0, 0
        self.last_byte = self.last_begin = 0
        self._frame_bytes: dict[bytes, int] = {}

    def decoded(self, packet: Any, frame: Any) -> None:
        """Note a frame that could be decoded."""
        self._decoded_s += frame.samples / frame.sample_rate
        self._decoded_bytes += packet.size
        self.last_begin = max(self.last_begin, packet.pos or 0)
        size = min(packet.size, 2 * self._largest or packet.size)
        self._largest = max(self._largest, size)
        self.last_byte = max(self.last_byte, (packet.pos or 0) + size)
        self._is_cut = packet.size < self._whole(packet)

    def _whole(self, packet: Any) -> int:
        """Return the length of the frame that a packet begins with; 0 if that is not known.

        FFmpeg decodes what there is of a cut frame of MPEG audio or AC-3, and says nothing.
        """
        head = bytes(memoryview(packet)[:5])
        if not head.startswith(b"\x0b\x77"):
            return frame_bytes(head)
        # ATSC A/52, 5.4.1: frames of equal rates and bit rates are equally long.
        return self._frame_bytes.setdefault(head[4:], packet.size)

    def lost(self, packet: Any) -> None:
        """Note a packet that could not be decoded."""
        self.is_unreported = True
        self._lost += 1
        self._lost_bytes += packet.size
        self._is_padding &= self._has_padding and not any(bytes(packet))
        if packet.duration:
            self._lost_s += float(packet.duration * packet.time_base)

    def left_out(self, count: int) -> None:
        """Note bytes that are no packets."""
        if count:
            self.is_unreported, self._is_padding = True, False
            self._lost += 1
            self._lost_bytes += count

    def report(self, line: Timeline, *, has_stamps: bool) -> Iterator[Block]:
        """Warn of the loss before a frame, and put silence in its place."""
        self.is_unreported = False
        self._estimate()
        message = f"damaged at {line.end_s:.2f} s: {self._lost_s:.2f} s are lost"
        yield from line.warn("damaged", message)
        if not has_stamps or self._lost_s <= FILL_S:  # else the next time stamp is behind a gap
            yield from line.silence(self._lost_s)
        self._lost_s, self._lost, self._lost_bytes, self._is_padding = 0.0, 0, 0, True

    def _estimate(self) -> None:
        if self._counts_bytes and self._decoded_bytes:
            # Lost packets may not have been real ones: their bytes give a better duration.
            self._lost_s = self._lost_bytes * self._decoded_s / self._decoded_bytes

    def check_end(self, line: Timeline) -> Iterator[Block]:
        """Report losses at the end.

        Raises:
            AudioDecodeError: It is not there.
        """
        at = f"{self._name} is truncated or damaged at {line.end_s:.2f} s"
        if self.broken is not None:
            why = getattr(self.broken, "strerror", None) or str(self.broken)
            msg = f"{at}: {why}"
            raise AudioDecodeError(msg) from self.broken
        if not line.decoded_s and self._lost:
            msg = f"{self._name} is damaged: nothing in it can be decoded"
            raise AudioDecodeError(msg)
        if self._is_padding:
            if self._is_cut:
                message = "it may have been cut off: its last frame is incomplete"
                yield from line.warn("truncated", message)
                yield from line.flush()
            return
        self._estimate()
        if self._lost_s > LOSSY_SLACK_S:
            msg_0 = f"{at}: the {self._lost_s:.2f} s behind it cannot be decoded"
            raise AudioDecodeError(msg_0)
        if self._lost:
            message = f"its last {self._lost_bytes} bytes cannot be decoded"
            yield from line.warn("damaged", message)
            yield from line.flush()

    @staticmethod
    def check_list(line: Timeline, container: Any, got_s: float) -> Iterator[Block]:
        """Warn if less came than a playlist promises: FFmpeg leaves out parts that do not come."""
        listed_s = (container.duration or 0) / 1e6 if container.format.name in _LISTS else 0.0
        if listed_s - got_s > _LISTED_SLACK_S + _LISTED_SLACK * listed_s:
            message = f"{got_s:.2f} s of it came, and its playlist promises {listed_s:.2f} s"
            yield from line.warn("truncated", message)
            yield from line.flush()

    def is_no_sound(self, packet: Any) -> bool:
        """Return whether a packet of an MP3 file is a tag or a length instead of sound."""
        data = memoryview(packet)
        if _MARKS.search(data[:64]) is None:
            return False
        tag = tag_bytes(bytes(data[:10]))  # the first frame behind one comes with it
        head = bytes(data[tag : tag + 64])
        self.promised_s += stated_s(head) or 0.0
        is_tag = tag > 0 or head[:3] == b"TAG" or head[:8] in (b"APETAGEX", b"LYRICSBE")
        return is_tag or stated_frames(head) is not None
