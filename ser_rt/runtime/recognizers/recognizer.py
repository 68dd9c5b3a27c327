"""`Recognizer`, the part of a stream that calls the model, and the `Posterior` of a window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import FloatArray


@dataclass(frozen=True, slots=True)
class Posterior:
    """Probabilities of one window, or of what is new in it where a network streams.

    Attributes:
        start_s: First sample of the window, in seconds of the stream.
        end_s: End of the window, in seconds of the stream.
        probabilities: float32 ``[labels]``, or None where there was no speech to classify.
        speech: Probability of speech in [0, 1], as the mean over the window.
        is_partial: Whether the window is shorter than a full one.
        captured_at: Monotonic seconds when the last sample of the window was captured.
        spent_s: Seconds since then by what took them.
        warnings: Warnings since the window before.
        row: The whole row of the classifier: the probabilities, and what follows them.
        is_new_speaker: Whether it is the first of another person than those before.
    """

    start_s: float
    end_s: float
    probabilities: FloatArray | None
    speech: float
    is_partial: bool
    captured_at: float
    spent_s: Mapping[str, float]
    warnings: tuple[SourceWarning, ...] = ()
    row: FloatArray | None = None
    is_new_speaker: bool = False


class Recognizer(Protocol):
    """Interface of a recognizer: the state of one stream, cheap to make."""

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio, in [0, 1]."""
        ...

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out because the model was too slow."""
        ...

    @property
    def is_behind(self) -> bool:
        """Whether live windows are left out now."""
        return False

    def aside(self) -> AbstractContextManager[None]:
        """Count the model's time within, for the same stream, as part of what a result costs."""
        return nullcontext()

    def feed(self, chunk: AudioChunk) -> Iterator[Posterior]:
        """Take a chunk, yield a posterior for every window that it completes."""
        ...

    def flush(self) -> list[Posterior]:
        """Return a posterior for samples that no window has covered yet."""
        ...
