"""`EpisodeTracker`, which joins results to stretches of one emotion; `Lag`, how late they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Self

from ser_rt.runtime.event import EmotionEvent, EpisodeEvent, Event, NoSpeechEvent

if TYPE_CHECKING:
    from ser_rt.classifier import EmotionClassifier
    from ser_rt.runtime.settings import StreamSettings


class Lag(NamedTuple):
    """How much later than the sound a result is, by its construction; the rest is the model's."""

    half_life_s: float
    gate_threshold: float
    is_of_hops: bool = False
    """Whether each result is of its hop alone, and not of the whole window."""

    @classmethod
    def of(cls, settings: StreamSettings, classifier: EmotionClassifier) -> Self:
        """Return the lag of streams of a model."""
        naming, streaming = settings.naming_for(classifier), settings.streaming_for(classifier)
        return cls.stated(
            naming.half_life_s, naming.gate_threshold, streaming=streaming is not None
        )

    @classmethod
    def stated(cls, half_life_s: float, gate_threshold: float, *, streaming: bool) -> Self:
        """Return the lag of a stream by its settings, as a server states them."""
        return cls(half_life_s, gate_threshold, is_of_hops=streaming and half_life_s > 0)

    def of_change(self, window_s: float) -> float:
        """Return the seconds until a new emotion has half of a window, smoothed."""
        return (0.0 if self.is_of_hops else window_s) / 2 + self.half_life_s

    def of_pause(self, event: NoSpeechEvent) -> float:
        """Return the seconds for which a window still holds enough speech after it ended."""
        return (event.end - event.start) * (1 - self.gate_threshold)


class EpisodeTracker:
    """Joins results of the same emotion into episodes.

    A result covers the time since the one before it, or, as the first or after a gap, its whole
    window. An episode is returned when it ends: at the first result of another kind.

    Of a recording, all of which is there, the lag is taken back: episodes are where they sounded,
    and guesses of the first second that a longer window corrects are none.
    """

    def __init__(self, lag: Lag | None = None) -> None:
        """Take back a lag; None leaves times as they are known live."""
        self._lag = lag
        self._last_end_s = -1.0
        self._episode: EpisodeEvent | None = None

    @property
    def now(self) -> EpisodeEvent | None:
        """The episode that has not ended yet."""
        return self._episode

    def update(self, event: Event) -> EpisodeEvent | None:
        """Take a result; return the episode that it ends, if any."""
        if event.type not in ("emotion", "no_speech"):
            return None
        is_joined = event.start <= self._last_end_s < event.end
        start_s = self._last_end_s if is_joined else event.start
        self._last_end_s = event.end
        running = self._episode
        if event.type == "no_speech":
            self._episode = None
            pause_s = self._lag.of_pause(event) if self._lag and is_joined else 0.0
            return _ended(running, pause_s)
        if running is None or running.emotion != event.emotion or not is_joined:
            late_s = 0.0
            if self._lag and running and is_joined:
                late_s = self._lag.of_change(event.end - event.start)
            ended = _ended(running, late_s)
            if running is not None and is_joined:
                start_s = max(running.start, start_s - late_s)
            self._episode = EpisodeEvent(
                seq=event.seq,
                start=start_s,
                end=event.end,
                emotion=event.emotion,
                confidence=event.confidence,
                peak=self._peak(event, start_s),
                source=event.source,
                channel=event.channel,
                channel_name=event.channel_name,
            )
            return ended
        rises = event.confidence > running.confidence
        self._episode = replace(
            running,
            end=event.end,
            confidence=event.confidence if rises else running.confidence,
            peak=self._peak(event, running.start) if rises else running.peak,
        )
        return None

    def flush(self) -> EpisodeEvent | None:
        """End the stream; return the episode that it ends, if any."""
        running, self._episode = self._episode, None
        return _ended(running, 0.0)

    def _peak(self, event: EmotionEvent, start_s: float) -> float:
        """Return where a result is clearest: its end as it is known live, or its middle."""
        middle_s = event.end - (event.end - event.start) / 2
        return event.end if self._lag is None else max(start_s, middle_s)


def _ended(episode: EpisodeEvent | None, late_s: float) -> EpisodeEvent | None:
    """Return an episode with its end taken back; None if nothing of it is left."""
    if episode is None:
        return None
    end_s = episode.end - late_s
    if end_s <= episode.start:
        return None
    return replace(episode, end=end_s, peak=min(episode.peak, end_s))
