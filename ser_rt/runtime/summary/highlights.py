"""`Highlights`: how long each emotion lasted, and its strongest moments, for a summary."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ser_rt.runtime.episodes import EpisodeTracker, Lag
from ser_rt.runtime.event import UNSURE, EpisodeEvent, Event

MOMENTS = 3


class Highlights:
    """Adds up the episodes of any number of streams, in constant memory."""

    def __init__(self, lag: Lag | None = None) -> None:
        """Take a lag back from the times of episodes; None leaves them as they are known live."""
        self._lag = lag
        self._trackers: dict[tuple[str | None, int | None], EpisodeTracker] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._moments: list[EpisodeEvent] = []

    def add(self, event: Event) -> None:
        """Take an event; only results count."""
        key = (event.source, event.channel)
        if key not in self._trackers:
            self._trackers[key] = EpisodeTracker(self._lag)
        self._end(self._trackers[key].update(event))

    def close(self) -> None:
        """End the episodes that have not ended."""
        for tracker in self._trackers.values():
            self._end(tracker.flush())
        self._trackers = {}

    @property
    def speech_s(self) -> float:
        """Seconds in which an emotion was named, or none was sure enough."""
        return sum(self._seconds.values())

    def shares(self) -> dict[str, float]:
        """Return the share of `speech_s` of each emotion, the longest first."""
        total_s = self.speech_s
        longest = sorted(self._seconds.items(), key=lambda pair: -pair[1])
        return {name: round(s / total_s, 4) for name, s in longest if total_s}

    def moments(self) -> list[dict[str, Any]]:
        """Return the strongest episodes of different emotions, the strongest first."""
        return [
            {
                "at": episode.peak,
                "emotion": episode.emotion,
                "confidence": round(episode.confidence, 4),
                **({} if episode.source is None else {"source": episode.source}),
                **({} if episode.channel is None else {"channel": episode.channel}),
            }
            for episode in self._moments
        ]

    def _end(self, episode: EpisodeEvent | None) -> None:
        if episode is None:
            return
        self._seconds[episode.emotion] += episode.end - episode.start
        if episode.emotion != UNSURE:
            ranked = sorted([*self._moments, episode], key=lambda one: -one.confidence)
            first = {one.emotion: one for one in reversed(ranked)}
            self._moments = [one for one in ranked if first[one.emotion] is one][:MOMENTS]
