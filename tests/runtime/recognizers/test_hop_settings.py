"""Windows and hops that a network streams with, and what becomes of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ser_rt.errors import ConfigError
from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.stream import load, stream
from ser_rt.testing.streaming import TINY_STREAMING
from tests.conftest import RATE, make_wave
from tests.support.recording_classifier import RecordingClassifier, posteriors_of


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ({"hop_s": 0.05}, "within 0.1 and 1 s"),
        ({"hop_s": 1.5}, "within 0.1 and 1 s"),
        ({"window_s": 2.0}, "window must be 3 s"),
        ({"min_window_s": 4.0}, "min_window"),
        ({"min_window_s": 0.0}, "min_window"),
    ],
)
def test_what_the_network_cannot_do_is_refused_at_once(bad: dict[str, float], word: str) -> None:
    model = RecordingClassifier()
    model.streaming = replace(TINY_STREAMING, is_required=True)
    with pytest.raises(ConfigError, match=word):
        WindowedRecognizer(model, StreamSettings(**bad))  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [{"hop_s": 0.05}, {"hop_s": 1.5}, {"window_s": 2.0}])
def test_streams_that_the_network_cannot_do_are_of_whole_windows(
    streaming_bundle: Path,
    other: dict[str, float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    wave = make_wave(4)
    with caplog.at_level("INFO", "ser_rt"):
        shared = stream(wave, sample_rate=RATE, model=load(streaming_bundle), vad=False, **other)  # type: ignore[arg-type]
        found = [(event.end, event.probabilities) for event in shared]
    assert [record.message[:14] for record in caplog.records] == ["whole windows:"]
    for model in (load(streaming_bundle, streaming=False), streaming_bundle):
        wanted = stream(wave, sample_rate=RATE, model=model, vad=False, **other)  # type: ignore[arg-type]
        assert found == [(event.end, event.probabilities) for event in wanted]


def test_a_model_for_streams_that_it_cannot_do_is_opened_for_whole_windows(
    streaming_bundle: Path,
) -> None:
    other = StreamSettings(window_s=2.0)
    assert load(streaming_bundle, settings=other).streaming is None
    assert load(streaming_bundle, settings=StreamSettings(hop_s=0.25)).streaming is not None
    with pytest.raises(ConfigError, match="window must be 3 s"):
        load(streaming_bundle, streaming=True, settings=other)


def test_windows_are_whole_hops() -> None:
    wave = make_wave(5)
    for hop_s in (0.4, 0.26, 0.7):
        posteriors = posteriors_of(
            WindowedRecognizer(RecordingClassifier(), StreamSettings(hop_s=hop_s)), wave
        )
        assert np.diff([p.end_s for p in posteriors])[:-1] == pytest.approx(hop_s)
        full = [p.end_s - p.start_s for p in posteriors if not p.is_partial]
        assert full == pytest.approx([-(-3 // hop_s) * hop_s] * len(full))
        assert full
