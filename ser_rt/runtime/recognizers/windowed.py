"""From chunks of audio to posteriors: the part of a stream that calls the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.constants import GATE_THRESHOLD, HOP_S, MIN_WINDOW_S, SHORTEST_INPUT_S, WINDOW_S
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.runtime.recognizers.feature_cache import answers_of
from ser_rt.runtime.recognizers.load_shedding import LoadShedder
from ser_rt.runtime.recognizers.windower import Window, Windower
from ser_rt.runtime.vad.base import LevelVad, Vad


@dataclass(frozen=True, slots=True)
class Posterior:
    """What the model makes of one window.

    Attributes:
        start_s: First sample of the window, in seconds of the stream.
        end_s: End of the window, in seconds of the stream.
        probabilities: float32 ``[labels]``, or None where there was no speech to classify.
        speech: Probability of speech in [0, 1], as the mean over the window.
        is_partial: Whether the window is shorter than a full one.
        captured_at: Monotonic seconds when the last sample of the window was captured.
        spent_s: Where the time since then went.
        warnings: What came up since the window before.
    """

    start_s: float
    end_s: float
    probabilities: FloatArray | None
    speech: float
    is_partial: bool
    captured_at: float
    spent_s: Mapping[str, float]
    warnings: tuple[SourceWarning, ...] = ()


class Recognizer(Protocol):
    """One per stream, cheap to make; holds all that the stream must remember."""

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio, in [0, 1]."""
        ...

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out for want of time."""
        ...

    def feed(self, chunk: AudioChunk) -> list[Posterior]:
        """Take a chunk, return a posterior for every window that it completes."""
        ...

    def flush(self) -> list[Posterior]:
        """Return a posterior for samples that no window has covered yet."""
        ...


class WindowedRecognizer:
    """Classifies a window of the last ``window_s`` seconds every ``hop_s`` seconds.

    The first result comes when ``min_window_s`` are heard. Windows go to the model one at a time:
    a batch could change the last digits, and then the numbers would depend on the chunking.
    Where the classifier can, windows share the features of the samples that they have in common.

    Windows without speech never reach the model. Of live audio, which comes whether or not there
    is time for it, a `LoadShedder` leaves windows out where the model is too slow; of any other,
    none, and never the last one.
    """

    def __init__(
        self,
        classifier: EmotionClassifier,
        *,
        window_s: float = WINDOW_S,
        hop_s: float = HOP_S,
        min_window_s: float = MIN_WINDOW_S,
        gate: Vad | None = None,
        gate_threshold: float = GATE_THRESHOLD,
        partial: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the recognizer of one stream.

        Args:
            classifier: The model, shared by all streams.
            window_s: Length of a full window in seconds.
            hop_s: Time from one window to the next in seconds, at most ``window_s``.
            min_window_s: Shortest window in seconds, at most ``window_s``.
            gate: Tells speech from silence; None for a `LevelVad`.
            gate_threshold: Windows with a smaller share of speech are not classified; 0 classifies
                everything.
            partial: Whether windows shorter than a full one are worth a result; without, a stream
                that never fills one still has the result of its end.
            clock: Monotonic time in seconds.

        Raises:
            ConfigError: A length is not positive, or longer than the window.
        """
        rate = classifier.sample_rate
        for name, value in (("window", window_s), ("hop", hop_s), ("min_window", min_window_s)):
            if not 1 / rate <= value <= 3600:
                msg = f"{name} must be above 0 and at most an hour, not {value:g} s"
                raise ConfigError(msg)
            if value > window_s:
                msg = f"{name} of {value:g} s is longer than the window of {window_s:g} s"
                raise ConfigError(msg)
        if not 0 <= gate_threshold <= 1:
            msg = f"gate_threshold must be within 0 and 1, not {gate_threshold!r}"
            raise ConfigError(msg)
        self._classifier = classifier
        self._answer = answers_of(classifier)
        self._rate = rate
        self._windower = Windower(
            window=round(window_s * rate),
            hop=round(hop_s * rate),
            first=round((min_window_s if partial else window_s) * rate),
        )
        self._gate = gate or LevelVad(rate)
        self._gate_threshold = gate_threshold
        self._pacer = LoadShedder(hop_s)
        self._partial, self._has_result = partial, False
        self._clock = clock
        self._last_chunk: AudioChunk | None = None
        self._broken_off: list[Window] = []
        self._left_out: list[Window] = []

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio, in [0, 1]."""
        return self._gate.now

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out for want of time."""
        return self._pacer.skipped_windows

    def feed(self, chunk: AudioChunk) -> list[Posterior]:
        """Take a chunk, return a posterior for every window that it completes."""
        self._last_chunk = chunk
        posteriors, heard = [], chunk.start
        for window in self._windower.feed(chunk.samples, chunk.start):
            # The gate hears up to the window's end and no further, however long the chunk is;
            # nothing of it for a window that a gap before the chunk has ended.
            try:
                vad_s = self._hear(chunk, heard, window.end)
                heard = max(heard, window.end)
                if self._partial or not window.is_partial:
                    posteriors += self._classify(window, chunk, vad_s)
            except KeyboardInterrupt:
                self._broken_off = [window]
                raise
        self._hear(chunk, heard, chunk.start + len(chunk.samples))
        return posteriors

    def flush(self) -> list[Posterior]:
        """Return a posterior of the last window if some samples have been in none.

        After an interrupt, also of the window that it broke off. The last window of live audio has
        its result here if there was no time for it before.
        """
        if self._last_chunk is None:
            return []
        posteriors = []
        windows, self._broken_off = [*self._broken_off, *self._windower.flush()], []
        if not windows and self._left_out:
            windows = self._left_out
            self._pacer.skipped_windows -= 1
        for window in windows:
            if self._partial or not window.is_partial or not self._has_result:
                posteriors += self._classify(window, self._last_chunk, 0.0, is_final=True)
        return posteriors

    def _hear(self, chunk: AudioChunk, start: int, end: int) -> float:
        """Let the gate hear some samples of a chunk; return the seconds it took."""
        started = self._clock()
        if end > start:
            self._gate.feed(chunk.samples[start - chunk.start : end - chunk.start], start)
        return self._clock() - started

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
        speech = self._gate.heard(window.start, window.end)
        gated = self._clock()
        spent_s["vad"] = vad_s + gated - started
        probabilities: FloatArray | None = None
        warnings: tuple[SourceWarning, ...] = ()
        if speech.share >= self._gate_threshold:
            is_paced = chunk.is_live and not is_final
            if is_paced and not self._pacer.admits(gated - chunk.captured_at):
                self._left_out = [window]
                return []
            probabilities = self._ask(window)
            spent_s["inference"] = self._clock() - gated
            if is_paced:
                warnings = self._pacer.spent(spent_s["inference"])
        return [
            Posterior(
                start_s=window.start / self._rate,
                end_s=window.end / self._rate,
                probabilities=probabilities,
                speech=speech.probability,
                is_partial=window.is_partial,
                captured_at=captured_at,
                spent_s=spent_s,
                warnings=warnings,
            )
        ]

    def _ask(self, window: Window) -> FloatArray:
        missing = round(SHORTEST_INPUT_S * self._rate) - len(window.samples)
        if missing > 0:
            padded = np.pad(window.samples, (0, missing))
            probabilities: FloatArray = self._classifier(padded[np.newaxis])[0]
        else:
            probabilities = self._answer(window)
        if not np.isfinite(probabilities).all():
            msg = (
                f"the model has no finite answer for {window.start / self._rate:g} to "
                f"{window.end / self._rate:g} s; is the audio within [-1, 1]?"
            )
            raise AudioInputError(msg)
        return probabilities
