"""The speech of an export: probes for its gates, and windows that int8 is calibrated with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_rt.audio.processing import crop, read_audio, read_speech
from ser_rt.bundle import sample_path
from ser_rt.training.data.corpus import Clip, load_manifest

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

CALIBRATION_WINDOWS = 32
_SHORTEST_S = 0.5
_LENGTHS_S = (0.5, 1.0, 1.777)
_LONGEST_S = 12.0
_BATCHES = (1, 3)
_MINUTE_S = 60.0


@dataclass(frozen=True)
class Probe:
    """Waveforms ``[batch, samples]`` that network and graph both classify."""

    name: str
    waveforms: FloatArray
    label: int | None = None
    """Number of the emotion where it is known: then the batch is one clip."""


@dataclass(frozen=True)
class ReferenceSpeech:
    """Probes for the gates, and calibration windows of other clips, where there are some."""

    source: str
    clips: int
    probes: tuple[Probe, ...]
    calibration: tuple[FloatArray, ...]
    minute: FloatArray
    """A minute of it, ``[samples]``; what is shorter is repeated."""

    def labelled(self) -> ReferenceSpeech:
        """Return the speech without the probes that have no label."""
        known = tuple(probe for probe in self.probes if probe.label is not None)
        return replace(self, probes=known)


def gather_speech(
    manifest: Path | None, labels: Sequence[str], sample_rate: int, window_s: float, most: int
) -> ReferenceSpeech:
    """Read speech from a manifest of labelled clips, or else the bundled sample.

    Args:
        manifest: CSV as `load_manifest` reads it; None is the bundled sample.
        labels: of the network; clips of other emotions are left out.
        sample_rate: of the network, in Hz.
        window_s: default window of the bundle.
        most: largest number of clips for the gates, spread over the emotions.

    Raises:
        DataError: the manifest is no such CSV, or has no clip of these labels.
        AudioError: one of its clips cannot be read, or holds no speech.
    """
    window = round(window_s * sample_rate)
    if manifest is None:
        audio = read_audio(sample_path(), sample_rate)
        starts = range(0, len(audio) - window, sample_rate)
        calibration = tuple(audio[start : start + window][None] for start in starts)
        lengths = tuple(_lengths(audio, sample_rate, window_s))
        return ReferenceSpeech(
            source="bundled sample",
            clips=0,
            probes=lengths,
            calibration=calibration[:CALIBRATION_WINDOWS],
            minute=_minute(audio, sample_rate),
        )
    clips = _spread(load_manifest(manifest, labels))
    chosen = clips[:most]
    probes, decoded, seconds = [], [], 0.0
    for clip in chosen:
        samples = read_speech(clip.path, sample_rate)
        if seconds < _MINUTE_S:
            decoded.append(samples)
            seconds += len(samples) / sample_rate
        middle = _at_least(crop(samples, window), round(_SHORTEST_S * sample_rate))
        probes.append(Probe(clip.path.name, middle[None], labels.index(clip.emotion)))
    others = clips[most : most + CALIBRATION_WINDOWS] or chosen[:CALIBRATION_WINDOWS]
    calibration = tuple(
        _at_least(crop(read_speech(clip.path, sample_rate), window), window)[None]
        for clip in others
    )
    audio = np.concatenate(decoded)
    return ReferenceSpeech(
        source=manifest.name,
        clips=len(chosen),
        probes=(*probes, *_lengths(audio, sample_rate, window_s)),
        calibration=calibration,
        minute=_minute(audio, sample_rate),
    )


def extremes(sample_rate: int) -> Iterator[Probe]:
    """Yield audio that is no speech, for which a graph must still return finite numbers."""
    time = np.arange(sample_rate, dtype=np.float32) / sample_rate
    yield Probe("digital silence", np.zeros((1, sample_rate), np.float32))
    yield Probe("clipped sound", np.sign(np.sin(2 * np.pi * 220 * time))[None])
    yield Probe("a constant", np.ones((1, sample_rate), np.float32))


def _spread(clips: Sequence[Clip]) -> list[Clip]:
    """Return clips in a random order that alternates between the emotions."""
    rng = np.random.default_rng(0)
    by_emotion: dict[str, list[Clip]] = defaultdict(list)
    for index in rng.permutation(len(clips)):
        by_emotion[clips[index].emotion].append(clips[index])
    rounds = zip_longest(*(by_emotion[emotion] for emotion in sorted(by_emotion)))
    return [clip for turn in rounds for clip in turn if clip is not None]


def _lengths(audio: FloatArray, sample_rate: int, window_s: float) -> Iterator[Probe]:
    """Yield speech of several lengths, alone and in batches."""
    rng = np.random.default_rng(0)
    longer_s = min(2 * window_s + 0.1, max(window_s, _LONGEST_S))
    for length_s in sorted({*_LENGTHS_S, window_s, longer_s}):
        samples = round(length_s * sample_rate)
        enough = _at_least(audio, samples + 1)
        for size in _BATCHES:
            starts = rng.integers(0, len(enough) - samples, size)
            batch = np.stack([enough[start : start + samples] for start in starts])
            yield Probe(f"{size} x {length_s:g} s", batch)


def _minute(audio: FloatArray, sample_rate: int) -> FloatArray:
    samples = round(_MINUTE_S * sample_rate)
    return _at_least(audio, samples)[:samples]


def _at_least(audio: FloatArray, samples: int) -> FloatArray:
    """Repeat audio that is too short."""
    return np.tile(audio, -(-samples // len(audio)))[:samples] if len(audio) < samples else audio
