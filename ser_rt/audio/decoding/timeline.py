"""`Timeline`: decoded frames put into blocks, each at its time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ser_rt.audio.block import Block, Frames, SourceWarning

JITTER_S = 0.05
"""Time stamps are rounded, and clocks differ: less than this is no gap."""

FILL_S = 0.5
"""Shorter gaps are silence: a lost packet, or a codec that sends nothing in pauses of speech."""

_RESET_S = 0.5
"""Time stamps that go back by more than this begin anew."""

_ABSURD_S = 12 * 3600.0
"""Time stamps that go on by more than this begin anew as well."""

_EARLY_S = 0.5
"""Time stamps that are early for as long are slower than the samples, as of two clocks."""

_LONG_S, _CONFIRMED_S = 60.0, 1.0
"""A jump over more than the first needs the second of audio to be believed."""

MOST_WARNINGS = 20


class Timeline:
    """The blocks of one recording.

    Attributes:
        end_s: Time behind the last frame.
        decoded_s: Seconds of audio in it, gaps left out.
    """

    def __init__(self, block_s: float, origin_s: float = 0.0, *, has_pauses: bool = False) -> None:
        """Make blocks of at most ``block_s`` seconds; time stamps count from ``origin_s``.

        With ``has_pauses``, a codec that sends nothing in pauses of speech, short gaps are usual.
        """
        self._has_pauses, self._warned = has_pauses, 0
        self._block_s, self._shift_s = block_s, origin_s
        self.end_s, self.decoded_s = origin_s, 0.0
        self._held: list[Frames] = []
        self._count = self._rate = self._channels = 0
        self._start_s, self._warnings = origin_s, list[SourceWarning]()
        self._is_begun = self._overlaps = False
        self._early_s = 0.0
        self._doubted: list[tuple[Frames, int]] = []
        self._doubted_s = self._doubted_end_s = self._undo_s = 0.0

    def warn(self, code: str, message: str) -> Iterator[Block]:
        """Attach a warning to the next block; yield the block before it."""
        yield from self.flush()
        self._warned += 1
        if self._warned == MOST_WARNINGS:
            message += "; more of its faults are not reported"
        if self._warned <= MOST_WARNINGS:
            self._warnings.append(SourceWarning(code, message))

    def add(self, samples: Frames, rate: int, stamp_s: float | None = None) -> Iterator[Block]:
        """Yield the blocks that float32 ``[frames, channels]`` complete.

        ``stamp_s`` is the time of the first frame as the container has it, None if it has none.
        A jump is believed when the next frame goes on from there, a long one when a second of
        audio does: the stamp may be damaged.
        """
        if self._doubted:
            goes_on = stamp_s is not None and abs(stamp_s - self._doubted_end_s) <= JITTER_S
            if goes_on and self._is_doubtful:
                self._doubt(samples, rate)
                return
            yield from self._settle(stamp_s)
        if stamp_s is not None:
            late_s = stamp_s + self._shift_s - self.end_s
            if abs(late_s) > _RESET_S and abs(late_s + self._undo_s) <= JITTER_S:
                self._shift_s += self._undo_s  # the time stamps that went back were damaged
                late_s, self._undo_s = late_s + self._undo_s, 0.0
            if self._is_begun and not -_RESET_S <= late_s <= FILL_S:
                self._doubted_s = self._doubted_end_s = stamp_s
                self._doubt(samples, rate)
                return
            yield from self._place(stamp_s + self._shift_s, rate, samples.shape[1])
            overlap = self._overlap(stamp_s + self._shift_s, samples, rate)
            if overlap and not self._overlaps:
                self._overlaps = True
                message = (
                    f"time stamps from {self.end_s:.2f} s on overlap: what is twice is left out"
                )
                yield from self.warn("gap", message)
            samples = samples[overlap:]
        yield from self._append(samples, rate)

    def _overlap(self, at_s: float, samples: Frames, rate: int) -> int:
        """Return how many samples to leave out, of frames that are early for a while."""
        early_s = self.end_s - at_s if self._is_begun else 0.0
        self._early_s = self._early_s + len(samples) / rate if early_s > JITTER_S else 0.0
        return min(round(early_s * rate), len(samples)) if self._early_s > _EARLY_S else 0

    def _doubt(self, samples: Frames, rate: int) -> None:
        self._doubted.append((samples, rate))
        self._doubted_end_s += len(samples) / rate

    @property
    def _is_doubtful(self) -> bool:
        """Whether time has jumped far, and too few frames confirm it."""
        jump_s = self._doubted_s + self._shift_s - self.end_s
        return jump_s > _LONG_S and self._doubted_end_s - self._doubted_s < _CONFIRMED_S

    def _settle(self, next_s: float | None = None) -> Iterator[Block]:
        """Add the frames whose time was doubted, at their time unless the next one denies it."""
        if not self._doubted:
            return
        usual_s = self.end_s + self._doubted_end_s - self._doubted_s
        is_denied = next_s is not None and abs(next_s + self._shift_s - usual_s) <= JITTER_S
        is_denied |= self._is_doubtful
        frames, self._doubted = self._doubted, []
        if not is_denied:
            samples, rate = frames[0]
            yield from self._place(self._doubted_s + self._shift_s, rate, samples.shape[1])
        for samples, rate in frames:
            yield from self._append(samples, rate)

    def _append(self, samples: Frames, rate: int) -> Iterator[Block]:
        self._is_begun = True
        if self._held and (rate, samples.shape[1]) != (self._rate, self._channels):
            yield from self.flush()
        self._rate, self._channels = rate, samples.shape[1]
        self._held.append(samples)
        self._count += len(samples)
        self.end_s += len(samples) / rate
        self.decoded_s += len(samples) / rate
        size = max(1, round(self._block_s * rate))
        if self._count >= size:
            joined = np.concatenate(self._held) if len(self._held) > 1 else samples
            whole = self._count - self._count % size
            for first in range(0, whole, size):
                yield self._block(joined[first : first + size])
            self._held = [joined[whole:]] if whole < self._count else []
            self._count -= whole

    def silence(self, seconds: float) -> Iterator[Block]:
        """Yield the blocks that some silence, in place of lost sound, completes."""
        if self._rate:
            lost = np.zeros((round(seconds * self._rate), self._channels), np.float32)
            yield from self._settle()
            yield from self._append(lost, self._rate)

    def flush(self, *, with_warnings: bool = True) -> Iterator[Block]:
        """Yield the samples that are held."""
        yield from self._settle()
        if self._held or (self._warnings and with_warnings):
            samples = np.concatenate(self._held) if self._held else np.zeros((0, 1), np.float32)
            self._held, self._count = [], 0
            yield self._block(samples)

    def _place(self, at_s: float, rate: int, channels: int) -> Iterator[Block]:
        """Go to the time of a frame, over a gap if it is later than it would be."""
        late_s = at_s - self.end_s
        if late_s < -_RESET_S or late_s > _ABSURD_S:
            self._shift_s -= late_s
            self._undo_s = late_s
        elif late_s > JITTER_S:
            is_short = late_s <= FILL_S
            if self._is_begun and not (is_short and self._has_pauses):
                yield from self.warn("gap", f"no audio from {self.end_s:.2f} to {at_s:.2f} s")
            if self._is_begun and is_short:
                yield from self._append(
                    np.zeros((round(late_s * rate), channels), np.float32), rate
                )
            else:
                yield from self.flush(with_warnings=False)
                self.end_s = self._start_s = at_s

    def _block(self, samples: Frames) -> Block:
        warnings, self._warnings = tuple(self._warnings), []
        rate = self._rate or 1
        block = Block(samples, rate, self._start_s, warnings)
        self._start_s += len(samples) / rate
        return block
