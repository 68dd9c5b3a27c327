"""`StreamStatistics`, which adds up the events of a run, and its `Summary`."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ser_rt.runtime.episodes import Lag
from ser_rt.runtime.event import Event
from ser_rt.runtime.summary.highlights import Highlights

if TYPE_CHECKING:
    from ser_rt.runtime.summary.overall import Classification

PERCENTILES = (50, 95, 99)


class Percentiles:
    """Percentiles of any number of values in constant memory, exact to 1 %.

    Values are counted in bins whose edges grow by 2 % (Masson, Rim and Lee, DDSketch, 2019).
    """

    _GROWTH = math.log(1.02)

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()

    def add(self, value: float) -> None:
        """Count a value; below 0.001 all are alike."""
        self._bins[math.ceil(math.log(max(value, 1e-3)) / self._GROWTH)] += 1

    def at(self, percent: float) -> float:
        """Return the value that ``percent`` of the values do not exceed."""
        wanted, seen = percent / 100 * self._bins.total(), 0
        for index in sorted(self._bins):
            seen += self._bins[index]
            if seen >= wanted:
                return float(f"{math.exp((index - 0.5) * self._GROWTH):.3g}")
        return 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of a run.

    Attributes:
        windows: How many windows were classified.
        no_speech: How many were not, because they hold no speech.
        warnings: How many warnings there were.
        audio_s: Seconds of audio that were processed, whether or not a window covered them.
        elapsed_s: Seconds from start to end.
        real_time_factor: Seconds of work per second of audio; waiting for audio is no work.
        compute_saved: Share of the windows that cost no inference, because they hold no speech.
        dropped_samples: Samples lost because they were not taken in time.
        skipped_windows: Live windows left out because the model was too slow.
        drift_ppm: How much faster the device's clock is than this machine's, in millionths; None
            where there is no such clock, or the stream was too short.
        latency_ms: p50, p95 and p99 of the total latency and of each of its parts.
        interrupted: Whether it was ended by the user.
        overall: The emotion of all of it; None if there were several streams.
        shares: Share of the speech that each emotion took, the largest first.
        moments: Where the strongest emotions were clearest: at, emotion, confidence.
        speech_s: Seconds of speech that the shares are of.
    """

    windows: int
    no_speech: int
    warnings: int
    audio_s: float
    elapsed_s: float
    real_time_factor: float
    compute_saved: float
    dropped_samples: int
    skipped_windows: int
    drift_ppm: float | None
    latency_ms: Mapping[str, Mapping[str, float]]
    interrupted: bool
    overall: Classification | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    moments: Sequence[Mapping[str, Any]] = ()
    speech_s: float = 0.0

    def to_dict(self, *, timing: bool = True) -> dict[str, Any]:
        """Return the summary as an event; without ``timing``, what never varies."""
        event: dict[str, Any] = {
            "type": "summary",
            "windows": self.windows,
            "no_speech": self.no_speech,
            "warnings": self.warnings,
            "audio_s": round(self.audio_s, 6),
            "compute_saved": round(self.compute_saved, 4),
            "dropped_samples": self.dropped_samples,
            "skipped_windows": self.skipped_windows,
            "interrupted": self.interrupted,
            "overall": None if self.overall is None else self.overall.to_dict(),
            "shares": dict(self.shares),
            "moments": [dict(moment) for moment in self.moments],
        }
        if timing:
            event |= {
                "elapsed_s": round(self.elapsed_s, 3),
                "real_time_factor": round(self.real_time_factor, 5),
                "drift_ppm": self.drift_ppm,
                "latency_ms": {part: dict(values) for part, values in self.latency_ms.items()},
            }
        return event

    def to_json(self, *, timing: bool = True) -> str:
        """Return one line of JSON."""
        return json.dumps(self.to_dict(timing=timing), ensure_ascii=False)


class StreamStatistics:
    """Adds up the events of one or more streams."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, lag: Lag | None = None
    ) -> None:
        """Start; a lag is taken back from the times of emotions, unless they are live."""
        self._clock = clock
        self._started = clock()
        self._types: Counter[str] = Counter()
        self._latency: dict[str, Percentiles] = {}
        self._processed_s = self._waited_s = 0.0
        self._dropped_samples = self._skipped_windows = 0
        self._drift_ppm: float | None = None
        self._highlights = Highlights(lag)
        self._overall: list[Classification | None] = []

    def add(self, event: Event) -> None:
        """Count an event."""
        self._types[event.type] += 1
        if event.type == "turn":
            return  # what is counted are windows
        self._highlights.add(event)
        for part, value in event.latency_ms.items():
            self._latency.setdefault(part, Percentiles()).add(value)

    def close(
        self,
        processed_s: float,
        waited_s: float,
        dropped_samples: int,
        skipped_windows: int = 0,
        drift_ppm: float | None = None,
        *,
        overall: Classification | None = None,
    ) -> None:
        """End a stream: count the audio that it processed, waited for and lost."""
        self._processed_s += processed_s
        self._waited_s += waited_s
        self._dropped_samples += dropped_samples
        self._skipped_windows += skipped_windows
        self._drift_ppm = self._drift_ppm if drift_ppm is None else drift_ppm
        self._highlights.close()
        self._overall.append(overall)

    def summary(self, *, interrupted: bool = False) -> Summary:
        """Return the totals of all streams so far."""
        elapsed_s = self._clock() - self._started
        audio_s = self._processed_s
        windows, no_speech = self._types["emotion"], self._types["no_speech"]
        work_s = max(0.0, elapsed_s - self._waited_s)
        return Summary(
            windows=windows,
            no_speech=no_speech,
            warnings=self._types["warning"],
            audio_s=audio_s,
            elapsed_s=elapsed_s,
            real_time_factor=work_s / audio_s if audio_s else 0.0,
            compute_saved=no_speech / max(1, windows + no_speech),
            dropped_samples=self._dropped_samples,
            skipped_windows=self._skipped_windows,
            drift_ppm=self._drift_ppm,
            latency_ms={
                part: {f"p{p}": values.at(p) for p in PERCENTILES}
                for part, values in self._latency.items()
            },
            interrupted=interrupted,
            overall=self._overall[0] if len(self._overall) == 1 else None,
            shares=self._highlights.shares(),
            moments=self._highlights.moments(),
            speech_s=self._highlights.speech_s,
        )
