"""`Pool`: the clips of one speaker in one emotion, of which pieces of speech are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ser_rt.audio.processing import read_speech, trim_silence
from ser_rt.classifier import FloatArray
from ser_rt.errors import AudioError
from ser_rt.files.names import printable
from ser_rt.judging.draws import Draws
from ser_rt.judging.truth import Omissions
from ser_rt.training.data.corpus import Clip

SHORTEST_PIECE_S, LONGEST_PIECE_S = 3.0, 12.0

PAUSES_S = (0.19, 0.27, 0.33, 0.40, 0.46, 0.54, 0.63, 0.75, 0.93, 1.34)
"""Pauses, each as likely as another: the 5th, 15th ... 95th percentile of a log-normal distribution
with a median of 0.5 s. Silent pauses are log-normal, most of them between 0.2 and 1 s: Campione,
Véronis: A large-scale multilingual study of silent pause duration. Speech Prosody 2002."""

_FADE_S = 0.005


@dataclass
class Pool:
    """Clips of a speaker in an emotion; their silent ends are cut off."""

    emotion: str
    speaker: str
    clips: Sequence[Clip]
    sample_rate: int
    left_out: Omissions
    _read: dict[Clip, FloatArray | None] = field(default_factory=dict)

    @cached_property
    def is_enough(self) -> bool:
        """Whether there is speech for the shortest piece."""
        heard_s = 0.0
        for clip in self.clips:
            heard_s += self._length_s(clip)
            if heard_s >= SHORTEST_PIECE_S:
                return True
        return False

    def piece(self, draws: Draws, used: set[Clip]) -> list[FloatArray]:
        """Return clips, and the pauses between them, that last 3 to 12 s together.

        Clips in ``used`` come last; those taken are added to it.
        """
        wanted_s = draws.between(SHORTEST_PIECE_S, LONGEST_PIECE_S)
        order = draws.shuffled(self.clips)
        parts: list[FloatArray] = []
        total_s = 0.0
        for clip in sorted(order, key=lambda clip: clip in used):
            pause_s = draws.one(PAUSES_S) if parts else 0.0
            length_s = self._length_s(clip)
            too_long = total_s + pause_s + length_s > LONGEST_PIECE_S
            if not length_s or (too_long and total_s >= SHORTEST_PIECE_S):
                continue
            if parts:
                parts.append(silence(pause_s, self.sample_rate))
            rest_s = LONGEST_PIECE_S - total_s - pause_s
            parts.append(self._samples(clip)[: round(rest_s * self.sample_rate)])
            used.add(clip)
            total_s += pause_s + min(length_s, rest_s)
            if total_s >= wanted_s:
                break
        return parts

    def _length_s(self, clip: Clip) -> float:
        return len(self._samples(clip)) / self.sample_rate

    def _samples(self, clip: Clip) -> FloatArray:
        if clip not in self._read:
            self._read[clip] = self._decoded(clip)
        samples = self._read[clip]
        return np.zeros(0, np.float32) if samples is None else samples

    def _decoded(self, clip: Clip) -> FloatArray | None:
        try:
            samples = read_speech(clip.path, self.sample_rate)
        except AudioError as error:
            self.left_out.add("clips that cannot be read", printable(str(error)))
            return None
        return faded(trim_silence(samples, self.sample_rate), self.sample_rate)


def silence(seconds: float, sample_rate: int) -> FloatArray:
    """Return zeros."""
    return np.zeros(round(seconds * sample_rate), np.float32)


def faded(samples: FloatArray, sample_rate: int) -> FloatArray:
    """Return samples that begin and end at zero, so that a cut does not click."""
    width = min(round(_FADE_S * sample_rate), len(samples) // 2)
    ramp = (np.arange(width, dtype=np.float32) / np.float32(max(width, 1))).astype(np.float32)
    faded = samples.copy()
    faded[:width] *= ramp
    faded[len(samples) - width :] *= ramp[::-1]
    return faded
