"""Hot paths, which run for every chunk or window, against a calibration: for `make compare`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import ser_rt
from ser_rt.audio.chunk import AudioChunk, ChunkMaker
from ser_rt.classifier import FloatArray
from ser_rt.manifest import FeatureReuse
from ser_rt.runtime.batcher import Batcher
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.event import EmotionEvent
from ser_rt.runtime.recognizers.feature_cache import FeatureCache
from ser_rt.runtime.recognizers.recognizer import Posterior
from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.runtime.recognizers.windower import Windower
from ser_rt.runtime.settings import DEFAULTS, StreamSettings
from ser_rt.runtime.smoother import Smoother
from ser_rt.runtime.vad.base import FrameVad
from ser_rt.runtime.vad.silero import SileroDetector
from ser_rt.testing import LABELS, FakeClassifier

RATE_HZ = 16_000
CHUNK, WINDOW, HOP = RATE_HZ // 10, 3 * RATE_HZ, RATE_HZ // 2

# Processor time: other processes take less part in it than in time on the wall.
pytestmark = pytest.mark.benchmark(timer=time.process_time)

Hot = Callable[[Callable[[], object], str], None]


class FakeFeatures(FakeClassifier):
    """A `FeatureClassifier`, too."""

    feature_reuse = None

    def features(self, waveforms: FloatArray) -> FloatArray:
        return np.zeros((len(waveforms), (waveforms.shape[1] - 400) // 320 + 1, 512), np.float32)

    classify_features = FakeClassifier.__call__


@pytest.fixture(scope="module")
def sample() -> FloatArray:
    """Half a minute of the demo, float32 ``[samples]`` at 16 kHz."""
    samples: FloatArray = soundfile.read(ser_rt.sample_path(), dtype="float32")[0]
    return samples


@pytest.fixture(scope="module")
def chunks(sample: FloatArray) -> list[AudioChunk]:
    starts = range(0, len(sample) - CHUNK + 1, CHUNK)
    return [AudioChunk(sample[i : i + CHUNK], i, captured_at=0.0) for i in starts]


def test_windower(hot: Hot, chunks: list[AudioChunk]) -> None:
    def cut() -> int:
        windower = Windower(window=WINDOW, hop=HOP, first=RATE_HZ)
        return sum(len(list(windower.feed(chunk.samples, chunk.start))) for chunk in chunks)

    assert cut() > 50
    hot(cut, "compute")


def test_smoother(hot: Hot) -> None:
    even = np.full(len(LABELS), 1 / len(LABELS), np.float32)
    posteriors = [
        Posterior(0.5 * i, 0.5 * i + 3, even, 1.0, is_partial=False, captured_at=0.0, spent_s={})
        for i in range(400)
    ]

    def smooth() -> None:
        smoother = Smoother(DEFAULTS.naming_for(None), LABELS)
        for posterior in posteriors:
            smoother.update(posterior)

    hot(smooth, "interpret")


def test_recognizer(hot: Hot, chunks: list[AudioChunk]) -> None:
    def recognise() -> None:
        recognizer = WindowedRecognizer(FakeClassifier())
        for chunk in chunks:
            list(recognizer.feed(chunk))

    hot(recognise, "interpret")


def test_engine(hot: Hot, chunks: list[AudioChunk]) -> None:
    def run() -> int:
        settings = StreamSettings(vad=False, gate_threshold=0.0)
        return len(list(make_engine(FakeClassifier(), settings).run(chunks)))

    assert run() > 50
    hot(run, "interpret")


def test_feature_windows(hot: Hot, sample: FloatArray) -> None:
    reuse = FeatureReuse(Path(), Path(), receptive_field=400, stride=320, channels=512)
    windower = Windower(window=WINDOW, hop=HOP, first=RATE_HZ)
    windows = list(windower.feed(sample, 0))

    def cut() -> None:
        ring = FeatureCache(FakeFeatures(), reuse)
        for window in windows:
            ring(window)

    hot(cut, "compute")


def test_resampler(hot: Hot, sample: FloatArray) -> None:
    wide = np.tile(sample, 2)[: 5 * 48_000]

    def resample() -> None:
        maker = ChunkMaker(48_000, RATE_HZ)
        for start in range(0, len(wide), 4_800):
            maker.feed(wide[start : start + 4_800])

    hot(resample, "compute")


def test_speech_gate(hot: Hot, sample: FloatArray) -> None:
    speech = sample[:WINDOW]

    def detect() -> float:
        vad = FrameVad(SileroDetector())
        vad.feed(speech, 0)
        return vad.speech(0, len(speech)).probability

    assert detect() > 0
    hot(detect, "compute")


def test_batcher(hot: Hot, sample: FloatArray) -> None:
    window = sample[:HOP]
    with Batcher(FakeClassifier(), max_batch=8) as batcher:
        turns = [batcher.open() for _ in range(64)]

        def classify_all() -> None:
            results = [turn.offer(window, is_final=True) for turn in turns]
            for result in results:
                result.result()

        hot(classify_all, "interpret")


def test_event_as_json(hot: Hot) -> None:
    event = EmotionEvent(
        seq=4,
        start=0.0,
        end=3.0,
        emotion="Joy",
        confidence=0.7123456,
        probabilities=dict.fromkeys(LABELS, 0.1666667),
        speech=0.93,
        partial=False,
        latency_ms={"total": 4.1, "vad": 0.1, "inference": 3.8, "smoothing": 0.1, "other": 0.1},
    )
    hot(lambda: [event.to_json() for _ in range(200)], "interpret")


def test_server_message(hot: Hot) -> None:
    protocol: Any = pytest.importorskip("ser_rt.server.protocol")
    text = json.dumps({"type": "config", "sample_rate": 48_000, "encoding": "pcm_s16le"})
    hot(lambda: [protocol.read_message(text) for _ in range(20)], "interpret")


def test_model(hot: Hot, sample: FloatArray) -> None:
    classifier = ser_rt.load(threads=1)
    window = sample[np.newaxis, :WINDOW]
    hot(lambda: classifier(window), "compute")
