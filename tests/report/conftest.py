"""Recordings made of events alone, as long as a test wants, with any emotions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.constants import SAMPLE_RATE
from ser_rt.report.collector import Collector
from ser_rt.report.recording import RecordingReport
from ser_rt.runtime.event import EmotionEvent, TurnEvent
from ser_rt.testing import LABELS

STEPS = 100
"""Speech begins and ends at hundredths of a second."""
Made = Callable[..., RecordingReport]


def make_recording(
    turns: Sequence[tuple[float, float, str, float]],
    *,
    labels: Sequence[str] = LABELS,
    duration_s: float | None = None,
    channels: Sequence[str] = (),
    name: str = "call.wav",
) -> RecordingReport:
    """Return the recording of turns: start and end in seconds, emotion, confidence.

    They go to the ``channels`` by turns; silence is silent, and speech a tone.
    """
    collector = Collector(name, labels, SAMPLE_RATE)
    end_s = duration_s if duration_s is not None else max((t[1] for t in turns), default=10.0)
    numbers: list[int | None] = [*range(1, len(channels) + 1)] or [None]
    for place, number in enumerate(numbers):
        heard = np.zeros(round(end_s * STEPS), np.float32)
        for start_s, stop_s, *_ in turns[place :: len(numbers)]:
            heard[round(start_s * STEPS) : round(stop_s * STEPS)] = 0.3
        for first in range(0, len(heard), 60 * STEPS):
            samples = np.repeat(heard[first : first + 60 * STEPS], SAMPLE_RATE // STEPS)
            samples[::2] *= -1  # a tone, the highest one
            start = first * SAMPLE_RATE // STEPS
            collector.add(AudioChunk(samples, start, 0.0, channel=number))
    for n, (start_s, stop_s, emotion, confidence) in enumerate(turns):
        where: dict[str, Any] = {"channel": numbers[n % len(numbers)]}
        where["channel_name"] = channels[n % len(channels)] if channels else None
        for at_s in np.arange(start_s, stop_s, 0.5).tolist():
            collector.write(
                EmotionEvent(
                    seq=0,
                    start=max(0.0, at_s - 2.5),
                    end=min(at_s + 0.5, stop_s),
                    emotion=emotion,
                    confidence=confidence,
                    **where,
                )
            )
        collector.write(
            TurnEvent(
                seq=0,
                start=start_s,
                end=stop_s,
                emotion=emotion,
                confidence=confidence,
                speech=stop_s - start_s,
                loudness=-13.5,
                onset=start_s,
                peak=(start_s + stop_s) / 2,
                **where,
            )
        )
    recording = collector.recording()
    recording.model, recording.notice = "tiny 1.0 (6 emotions, fp32)", "A notice of the model."
    return recording


@pytest.fixture
def made() -> Made:
    """Return `make_recording`."""
    return make_recording
