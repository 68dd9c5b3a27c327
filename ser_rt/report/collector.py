"""`Collector`, a sink that gathers a `RecordingReport` from chunks and events, live or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock

from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.recording import Tee
from ser_rt.errors import AudioError, DeviceError
from ser_rt.files.names import printable
from ser_rt.report.course import Course
from ser_rt.report.recording import Channel, RecordingReport, Turn
from ser_rt.report.sound import Mp3
from ser_rt.runtime.episodes import EpisodeTracker, Lag
from ser_rt.runtime.event import (
    UNSURE,
    EmotionEvent,
    EpisodeEvent,
    Event,
    NoSpeechEvent,
    TurnEvent,
)
from ser_rt.runtime.statistics import Summary

MOST_TURNS = 10_000
"""Turns that are kept: a page with more would be slow. Shares and pictures count all."""
MOST_WARNINGS = 20


class Collector:
    """Takes the chunks and the events of one stream, in memory that hardly grows with its length.

    Args:
        name: of what is classified.
        labels: names of the model's emotions.
        sample_rate: of the chunks, in Hz.
        lag: of its results, which is taken back; None for what is live.
        with_audio: whether the recording keeps its sound, as MP3.
        finished: called with the recording at the end of the stream.
    """

    def __init__(
        self,
        name: str,
        labels: Iterable[str],
        sample_rate: int,
        *,
        lag: Lag | None = None,
        with_audio: bool = False,
        finished: Callable[[RecordingReport], None] = lambda _: None,
    ) -> None:
        self._rate, self._finished = sample_rate, finished
        self._recording = RecordingReport(name, (*labels, UNSURE), [])
        self._numbers = {label: n for n, label in enumerate(self._recording.labels)}
        self._places: dict[int, int] = {}
        self._lag = lag
        self._trackers: dict[int | None, EpisodeTracker] = {}
        self._sound = Mp3(sample_rate) if with_audio else None
        self._lock = Lock()  # with a server, audio goes out in another thread than events come in

    def add(self, chunk: AudioChunk) -> None:
        """Take a chunk, before the events that it completes; from any thread."""
        with self._lock:
            self._channel(chunk.channel).course.add_audio(chunk.samples, chunk.start)
            if self._sound is not None:
                self._sound.feed(chunk)

    def write(self, event: Event) -> None:
        """Take an event."""
        with self._lock:
            self._add(event)

    def _add(self, event: Event) -> None:
        if event.channel_name is not None:
            self._channel(event.channel).name = event.channel_name
        if event.type == "warning":
            if len(self._recording.warnings) < MOST_WARNINGS:
                self._recording.warnings.append(event.message)
        elif event.type == "turn":
            self._add_turn(event)
        elif event.type != "episode":
            self._add_result(event)

    def finish(self, summary: Summary | None = None) -> None:
        """Hand the recording over, unless there is no sound."""
        del summary  # what a recording tells is the same, however fast it was classified
        if self._recording.duration_s:
            self._finished(self.recording())

    def follow(self, source: AudioSource) -> AudioSource:
        """Return a source whose chunks are taken as they come; if it breaks off, why is noted."""
        return _Followed(source, self)

    def fail(self, error: str) -> None:
        """Note why the stream ends before its end."""
        self._recording.error = printable(error)

    def recording(self) -> RecordingReport:
        """Return the recording; only once, for its sound ends there."""
        for tracker in self._trackers.values():
            self._add_episode(tracker.flush())
        if self._sound is not None:
            self._recording.audio = self._sound.finish()
        return self._recording

    def _add_result(self, event: EmotionEvent | NoSpeechEvent) -> None:
        if event.channel not in self._trackers:
            self._trackers[event.channel] = EpisodeTracker(self._lag)
        self._channel(event.channel)
        self._add_episode(self._trackers[event.channel].update(event))

    def _add_episode(self, episode: EpisodeEvent | None) -> None:
        if episode is not None:
            course = self._channel(episode.channel).course
            course.add_emotion(self._numbers[episode.emotion], episode.start, episode.end)

    def _add_turn(self, event: TurnEvent) -> None:
        if not event.final:
            return
        self._channel(event.channel).course.add_speech(event.start, event.end)
        self._recording.speech_s += event.speech
        if len(self._recording.turns) >= MOST_TURNS:
            self._recording.more_turns += 1
            return
        self._recording.turns.append(
            Turn(
                channel=self._places[event.channel or 0],
                start_s=event.start,
                end_s=event.end,
                emotion=event.emotion,
                confidence=event.confidence,
                peak_s=event.peak,
                speech_s=event.speech,
                loudness_db=event.loudness,
                is_cut=event.cut,
            )
        )

    def _channel(self, number: int | None) -> Channel:
        """Return the channel of a number; those of a stream come in their order."""
        place = self._places.setdefault(number or 0, len(self._places))
        channels = self._recording.channels
        if place == len(channels):
            course = Course(len(self._recording.labels), self._rate)
            channels.append(Channel("" if number is None else str(number), course))
        return channels[place]


class _Followed(Tee):
    def __init__(self, source: AudioSource, collector: Collector) -> None:
        super().__init__(source, collector.add)
        self._collector = collector

    def __iter__(self) -> Iterator[AudioChunk]:
        try:
            yield from super().__iter__()
        except (AudioError, DeviceError) as error:
            self._collector.fail(str(error))
            raise
