"""`RecordingClassifier`, a streaming classifier that keeps what it was given."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import FloatArray, Hop, HopResult
from ser_rt.runtime.recognizers.recognizer import Posterior
from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.streaming import Cache, Streaming
from ser_rt.testing.streaming import TINY_STREAMING
from tests.conftest import RATE, Wave


class RecordingClassifier:
    """A streaming classifier whose caches are all samples of a stream so far."""

    labels = ("a", "b")
    sample_rate = RATE
    window_s, hop_s, min_window_s = 3.0, 0.5, 0.5

    def __init__(self) -> None:
        self.streaming: Streaming | None = TINY_STREAMING
        self.hops: list[FloatArray] = []
        self.streams: list[FloatArray] = []
        self.broken_off_at = -1
        self.is_mad_at = -1

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        pytest.fail(f"a stream of hops asks for no window of {waveforms.shape}")

    def classify_hops(self, hops: Sequence[Hop]) -> list[HopResult]:
        (hop,) = hops
        self.hops.append(hop.samples)
        if len(self.hops) == self.broken_off_at:
            raise KeyboardInterrupt
        before = hop.caches.get("samples", np.zeros((1, 0), np.float32))
        samples = np.concatenate((before, hop.samples[np.newaxis]), axis=1)
        self.streams.append(samples[0])
        if len(self.hops) == self.is_mad_at:
            samples = np.full_like(samples, np.nan)
        mean = 0.5 + 0 * float(samples.sum())
        return [HopResult(np.full(2, mean, np.float32), {"samples": samples})]


def cut(samples: Wave, blocks: Sequence[int], start: int = 0) -> Iterator[AudioChunk]:
    """Yield chunks of these sizes in turn, of samples that begin at ``start``."""
    taken = 0
    for size in itertools.cycle(blocks):
        yield AudioChunk(samples[taken : taken + size], start + taken, 0.0)
        taken += size
        if taken >= len(samples):
            return


def posteriors_of(
    recognizer: WindowedRecognizer, samples: Wave, blocks: Sequence[int] = (1600,), start: int = 0
) -> list[Posterior]:
    found = [p for chunk in cut(samples, blocks, start) for p in recognizer.feed(chunk)]
    return found + recognizer.flush()


class Pooling(RecordingClassifier):
    """One whose answers are the means of the hops that it pools over, and that counts those."""

    def __init__(self) -> None:
        super().__init__()
        ring = (
            Cache("pooled_frames", (1, 4), "float32"),
            Cache("pooled_scores", (1, 4), "float32"),
        )
        self.streaming = replace(TINY_STREAMING, caches=ring)
        self.pooled: list[int] = []

    def classify_hops(self, hops: Sequence[Hop]) -> list[HopResult]:
        (hop,) = hops
        (result,) = super().classify_hops(hops)
        before = [hop.caches[name][:, :, 1:] for name in ("pooled_frames", "pooled_scores")]
        level, score = float(np.abs(hop.samples).mean()), 1.0
        frames, scores = (
            np.concatenate((ring, np.full((1, 1, 1), new, np.float32)), axis=2)
            for ring, new in zip(before, (level, score), strict=True)
        )
        is_pooled = scores > 0
        self.pooled.append(int(is_pooled.sum()))
        mean = float(frames[is_pooled].mean())
        caches = {**result.caches, "pooled_frames": frames, "pooled_scores": scores}
        return [HopResult(np.array([mean, 1 - mean], np.float32), caches)]
