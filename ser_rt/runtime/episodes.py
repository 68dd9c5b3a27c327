"""`EpisodeTracker`, which joins results to stretches of one emotion."""

from __future__ import annotations

from dataclasses import replace

from ser_rt.runtime.event import EmotionEvent


class EpisodeTracker:
    """Joins results of the same emotion into episodes.

    A result covers the time since the one before it, or, as the first or after a gap, its whole
    window. An episode is returned when it ends: at the first result of another kind.
    """

    def __init__(self) -> None:
        self._last_end_s = -1.0
        self._episode: EmotionEvent | None = None

    @property
    def now(self) -> EmotionEvent | None:
        """The episode that has not ended yet."""
        return self._episode

    def update(self, event: EmotionEvent) -> EmotionEvent | None:
        """Take a result; return the episode that it ends, if any."""
        if event.type not in ("emotion", "no_speech"):
            return None
        is_joined = event.start <= self._last_end_s < event.end
        start_s = self._last_end_s if is_joined else event.start
        self._last_end_s = event.end
        running, confidence = self._episode, event.confidence or 0.0
        if event.emotion is None:
            self._episode = None
            return running
        if running is None or running.emotion != event.emotion or not is_joined:
            self._episode = EmotionEvent(
                type="episode",
                seq=event.seq,
                start=start_s,
                end=event.end,
                emotion=event.emotion,
                confidence=confidence,
                peak=event.end,
                source=event.source,
                channel=event.channel,
            )
            return running
        rises = confidence > (running.confidence or 0.0)
        self._episode = replace(
            running,
            end=event.end,
            confidence=confidence if rises else running.confidence,
            peak=event.end if rises else running.peak,
        )
        return None

    def flush(self) -> EmotionEvent | None:
        """End the stream; return the episode that it ends, if any."""
        running, self._episode = self._episode, None
        return running
