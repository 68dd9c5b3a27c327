"""`WindowedRecognizer`: chunks in, `Posterior`s of windows out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import EmotionClassifier, FloatArray, WaitingClassifier
from ser_rt.constants import SHORTEST_INPUT_S
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.runtime.recognizers.hop_cache import HopCache
from ser_rt.runtime.recognizers.load_shedding import LoadShedder
from ser_rt.runtime.recognizers.recognizer import Posterior, Recognizer
from ser_rt.runtime.recognizers.window_classifier import window_classifier
from ser_rt.runtime.recognizers.windower import Window, Windower
from ser_rt.runtime.settings import DEFAULTS, StreamSettings
from ser_rt.runtime.speakers.changes import SpeakerChanges
from ser_rt.runtime.vad.base import FrameVad, LevelDetector, Vad


class WindowedRecognizer(Recognizer):
    """Classifies every ``hop_s`` seconds: a window of the last ``window_s`` seconds.

    Of a network that streams, with smoothing, it is what is new since the last result. The first
    result comes after ``min_window_s``. Windows go to the model one at a time: a batch could change
    the last digits, and then the numbers would depend on the chunking. What of a window is computed
    anew is the matter of `window_classifier`: of a network that streams, its hop alone.

    Windows without speech never reach the model. Of live audio, which comes whether or not there
    is time for it, a `LoadShedder` leaves windows out where the model is too slow; of any other,
    none, and never the last one.
    """

    def __init__(
        self,
        classifier: EmotionClassifier,
        settings: StreamSettings = DEFAULTS,
        *,
        vad: Vad | None = None,
        changes: SpeakerChanges | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the recognizer of one stream.

        Args:
            classifier: The model, shared by all streams.
            settings: Its windows, ``gate_threshold`` and ``partial`` count. Without ``partial``, a
                stream that never fills a window still has the result of its end.
            vad: Detects speech; None for the level alone.
            changes: Follows the detector; no window reaches back behind a change that it found.
            clock: Monotonic time in seconds.

        Raises:
            ConfigError: A length is not positive, or longer than the window.
        """
        window_s, hop_s, min_window_s = settings.windows_for(classifier)
        rate, wants_partial = classifier.sample_rate, settings.partial
        for name, value in (("window", window_s), ("hop", hop_s), ("min_window", min_window_s)):
            if not 1 / rate <= value <= 3600:
                msg = f"{name} must be above 0 and at most an hour, not {value:g} s"
                raise ConfigError(msg)
            if value > window_s:
                msg = f"{name} of {value:g} s is longer than the window of {window_s:g} s"
                raise ConfigError(msg)
        hop = round(hop_s * rate)
        streaming = settings.streaming_for(classifier)
        naming = settings.naming_for(classifier)
        self._fresh_classifier = partial(
            window_classifier, classifier, hop, streaming, alone=naming.half_life_s > 0
        )
        self._classify_window = self._fresh_classifier()
        self._turns = classifier if isinstance(classifier, WaitingClassifier) else None
        self._rate, self._labels = rate, len(classifier.labels)
        self._first = round((min_window_s if wants_partial else window_s) * rate)
        window, by_hops = round(window_s * rate), isinstance(self._classify_window, HopCache)
        self._windower = Windower(window=window, hop=hop, first=self._first, early=by_hops)
        self._changes, self._speaker_from, self._is_new_speaker = changes, 0, False
        self._vad = vad or FrameVad(LevelDetector(rate))
        self._gate_threshold = naming.gate_threshold
        self._shedder = LoadShedder(hop_s, math.ceil(window / hop) if by_hops else 1)
        self._partial, self._has_result, self._was_silent = wants_partial, False, False
        self._clock = clock
        self._last_chunk: AudioChunk | None = None
        self._broken_off: list[Window] = []
        self._left_out: list[Window] = []
        self._aside_s = 0.0

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio, in [0, 1]."""
        return self._vad.now

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out because the model was too slow."""
        return self._shedder.skipped_windows

    @property
    def is_behind(self) -> bool:
        """Whether live windows are left out now."""
        return self._shedder.is_behind

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Count the model's time within, for the same stream, as part of what a result costs."""
        started, waited_s = self._clock(), self._waited_s()
        try:
            yield
        finally:
            self._aside_s += self._clock() - started - (self._waited_s() - waited_s)

    def feed(self, chunk: AudioChunk) -> Iterator[Posterior]:
        """Take a chunk, yield a posterior for every window that it completes.

        When one is yielded, speech has been detected up to the end of its window.
        """
        self._last_chunk, detected = chunk, chunk.start
        for window in self._windower.feed(chunk.samples, chunk.start):
            # Speech is detected up to the window's end and no further, however long the chunk is;
            # not in the chunk for a window that a gap before it has ended.
            posteriors: list[Posterior] = []
            try:
                vad_s = self._detect(chunk, detected, window.end)
                detected = max(detected, window.end)
                own = self._of_one_speaker(window)
                if own is None:
                    pass
                elif own.is_early:
                    self._prepare(own, chunk)
                elif self._partial or not own.is_partial:
                    posteriors = self._classify(own, chunk, vad_s)
            except KeyboardInterrupt:
                self._broken_off = [] if window.is_early else [window]
                raise
            yield from posteriors
        self._detect(chunk, detected, chunk.start + len(chunk.samples))

    def flush(self) -> list[Posterior]:
        """Return a posterior of the last window if some samples have been in none.

        After an interrupt, also of the window that it broke off. The last window of live audio has
        its result here if the model was too slow for it before.
        """
        if self._last_chunk is None:
            return []
        posteriors = []
        windows, self._broken_off = [*self._broken_off, *self._windower.flush()], []
        if not windows and self._left_out:
            windows = self._left_out
            self._shedder.readmit()
        for window in filter(None, map(self._of_one_speaker, windows)):
            if self._partial or not window.is_partial or not self._has_result:
                posteriors += self._classify(window, self._last_chunk, 0.0, is_final=True)
        return posteriors

    def _of_one_speaker(self, window: Window) -> Window | None:
        """Return what of a window is of who spoke last; None if that is not enough for a result."""
        if self._changes is None:
            return window
        if self._changes.last > self._speaker_from:
            self._speaker_from, self._is_new_speaker = self._changes.last, True
            self._classify_window = self._fresh_classifier()
        own = window.since(self._speaker_from)
        return own if own is window or len(own.samples) >= self._first else None

    def _detect(self, chunk: AudioChunk, start: int, end: int) -> float:
        """Detect speech in some samples of a chunk; return the seconds it took."""
        started = self._clock()
        if end > start:
            self._vad.feed(chunk.samples[start - chunk.start : end - chunk.start], start)
        return self._clock() - started

    def _prepare(self, window: Window, chunk: AudioChunk) -> None:
        """Compute the hop of a window of which no result is due, so that the first costs one hop.

        Else a stream would begin with all hops of its first window at once. What silence or load
        leaves out here is computed for the first result.
        """
        is_late = chunk.is_live and self._clock() - chunk.captured_at > self._shedder.hop_s
        if not is_late and window.end - window.start >= SHORTEST_INPUT_S * self._rate:
            speech = self._vad.speech(window.start, window.end)
            if speech.share >= self._gate_threshold:
                self._classify_window(window)

    def _classify(
        self, window: Window, chunk: AudioChunk, vad_s: float, *, is_final: bool = False
    ) -> list[Posterior]:
        self._has_result, self._left_out = True, []
        spent_s = {"queue": chunk.queue_s, "resample": chunk.resample_s}
        captured_at = chunk.captured_at
        if chunk.is_live:
            # The window was complete before its chunk was.
            spent_s["capture"] = (chunk.start + len(chunk.samples) - window.end) / self._rate
            captured_at -= spent_s["capture"]
        started = self._clock()
        speech = self._vad.speech(window.start, window.end)
        detected_at = self._clock()
        spent_s["vad"] = vad_s + detected_at - started
        row: FloatArray | None = None
        warnings: tuple[SourceWarning, ...] = ()
        is_silent = speech.share < self._gate_threshold
        if not is_silent:
            is_shed = chunk.is_live and not is_final
            if is_shed and not self._shedder.admits(detected_at - chunk.captured_at):
                self._left_out = [window]
                return []
            waited_s, hops = self._waited_s(), self._hops()
            row = self._row(window)
            waited_s, hops = self._waited_s() - waited_s, self._hops() - hops
            spent_s["queue"] += waited_s
            spent_s["inference"] = self._clock() - detected_at - waited_s
            # After silence hops may have waited: their cost is not that of each result to come.
            if is_shed and not self._was_silent:
                warnings = self._shedder.spent(
                    spent_s["inference"], hops=max(1, hops), aside_s=self._aside_s
                )
            self._aside_s = 0.0
        if is_silent or is_final:
            warnings = self._shedder.finish()
        self._was_silent = is_silent
        is_new_speaker, self._is_new_speaker = self._is_new_speaker, False
        return [
            Posterior(
                start_s=window.start / self._rate,
                end_s=window.end / self._rate,
                probabilities=None if row is None else row[: self._labels],
                speech=speech.probability,
                is_partial=window.is_partial,
                captured_at=captured_at,
                spent_s=spent_s,
                warnings=warnings,
                row=row,
                is_new_speaker=is_new_speaker,
            )
        ]

    def _waited_s(self) -> float:
        return 0.0 if self._turns is None else self._turns.waited_s

    def _hops(self) -> int:
        return self._classify_window.hops if isinstance(self._classify_window, HopCache) else 0

    def _row(self, window: Window) -> FloatArray:
        row = self._classify_window(window)
        if not np.isfinite(row).all():
            msg = (
                f"the model returns no finite numbers for {window.start / self._rate:g} to "
                f"{window.end / self._rate:g} s; is the audio within [-1, 1]?"
            )
            raise AudioInputError(msg)
        return row
