import numpy as np
import pytest

from ser_rt.runtime.event import EmotionEvent, NoSpeechEvent, WarningEvent
from ser_rt.runtime.statistics import Percentiles, StreamStatistics


def test_percentiles_are_exact_to_a_hundredth() -> None:
    values = np.random.default_rng(0).lognormal(1, 1, 5_000)
    percentiles = Percentiles()
    for value in values:
        percentiles.add(value)
    for percent in (50, 95, 99):
        expected = np.percentile(values, percent)
        assert percentiles.at(percent) == pytest.approx(expected, rel=0.02)
    assert Percentiles().at(50) == 0.0


def test_a_ledger_adds_up_streams_and_does_not_count_waiting_as_work() -> None:
    now_s = 10.0
    ledger = StreamStatistics(clock=lambda: now_s)
    for end_s in (1.0, 2.0):
        ledger.add(
            EmotionEvent(
                seq=0,
                start=0.0,
                end=end_s,
                emotion="Joy",
                confidence=1.0,
                latency_ms={"total": 4.0},
            )
        )
    ledger.close(processed_s=2.0, waited_s=1.5, dropped_samples=0)
    ledger.add(NoSpeechEvent(seq=0, start=0.0, end=2.0, latency_ms={"total": 4.0}))
    ledger.add(WarningEvent(seq=1, start=2.0, end=2.0, code="overflow", message=""))
    ledger.close(2.0, waited_s=0.5, dropped_samples=320, skipped_windows=7, drift_ppm=-12.5)
    now_s = 14.0
    summary = ledger.summary(interrupted=True).to_dict()
    assert summary["latency_ms"]["total"]["p50"] == pytest.approx(4.0, rel=0.02)
    del summary["latency_ms"]
    assert summary == {
        "type": "summary",
        "windows": 2,
        "no_speech": 1,
        "warnings": 1,
        "audio_s": 4.0,
        "compute_saved": 0.3333,
        "dropped_samples": 320,
        "skipped_windows": 7,
        "interrupted": True,
        "overall": None,
        "shares": {"Joy": 1.0},
        "moments": [{"at": 1.0, "emotion": "Joy", "confidence": 1.0}],
        "elapsed_s": 4.0,
        "real_time_factor": 0.5,
        "drift_ppm": -12.5,
    }


def test_no_audio_is_no_division_by_zero() -> None:
    assert StreamStatistics().summary().real_time_factor == 0
