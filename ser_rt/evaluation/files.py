"""`classify_files`: probabilities of audio files, in few model calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ser_rt.audio.chunk import SILENCE
from ser_rt.audio.processing import check_speech, read_so_far, trim_silence
from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.errors import AudioError
from ser_rt.evaluation.batching import DEFAULT_BATCH_SIZE, classify

# Decoded audio waiting for its batch is limited to this many seconds (38 MB).
_POOL_S = 600.0


@dataclass(frozen=True)
class ClassifiedFile:
    """A file, its samples and its probabilities ``[labels]``.

    A file that breaks off has the probabilities of its readable part, and the `error` too. One
    without usable audio has the `error` alone: no samples, and None for probabilities.
    """

    path: str | Path
    samples: FloatArray
    error: AudioError | None
    probabilities: FloatArray | None = None


def classify_files(
    classifier: EmotionClassifier,
    paths: Iterable[str | Path],
    max_duration_s: float,
    batch_size: int = DEFAULT_BATCH_SIZE,
    *,
    trim: bool = False,
) -> Iterator[ClassifiedFile]:
    """Yield every file in its order, classified as `classify` does; a bad one stops nothing.

    With `trim`, silence at both ends is left out, as by `trim_silence`.
    """
    for pool in _pools(paths, classifier.sample_rate, trim=trim):
        waveforms = [file.samples for file in pool if file.samples.size]
        rows = iter(classify(classifier, waveforms, max_duration_s, batch_size))
        for file in pool:
            yield replace(file, probabilities=next(rows)) if file.samples.size else file


def _pools(
    paths: Iterable[str | Path], sample_rate: int, *, trim: bool
) -> Iterator[list[ClassifiedFile]]:
    """Yield decoded files in groups, so that windows of one length can share a model call."""
    pool: list[ClassifiedFile] = []
    pooled_samples = 0
    for path in paths:
        pool.append(_read(path, sample_rate, trim=trim))
        pooled_samples += pool[-1].samples.size
        if pooled_samples >= _POOL_S * sample_rate:
            yield pool
            pool, pooled_samples = [], 0
    yield pool


def _read(path: str | Path, sample_rate: int, *, trim: bool) -> ClassifiedFile:
    broken_off = None
    try:
        samples, broken_off = read_so_far(path, sample_rate)
        check_speech(samples, path, sample_rate)
        if trim:
            samples = trim_silence(samples, sample_rate)
    except AudioError as error:
        return ClassifiedFile(path, SILENCE, broken_off or error)
    return ClassifiedFile(path, samples, broken_off)
