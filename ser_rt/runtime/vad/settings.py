"""`VadSettings`, the parameters of the speech detector."""

from __future__ import annotations

from dataclasses import dataclass

from ser_rt.checks import require, within
from ser_rt.constants import VAD_MIN_SILENCE_S, VAD_NEG_MARGIN, VAD_SPEECH_PAD_S, VAD_THRESHOLD


@dataclass(frozen=True, slots=True)
class VadSettings:
    """Parameters of `SileroDetector`.

    Attributes:
        threshold: Probability at which speech starts.
        neg_threshold: Probability below which it ends; None for 0.15 less.
        min_silence_s: Shorter pauses belong to speech.
        speech_pad_s: Time before the start of speech that belongs to it.
    """

    threshold: float = VAD_THRESHOLD
    neg_threshold: float | None = None
    min_silence_s: float = VAD_MIN_SILENCE_S
    speech_pad_s: float = VAD_SPEECH_PAD_S

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        require("vad threshold", self.threshold, within(0, 1))
        require("vad neg_threshold", self.ends_below, within(0, self.threshold))
        require("vad min_silence_s", self.min_silence_s, within(0, 60))
        require("vad speech_pad_s", self.speech_pad_s, within(0, 60))

    @property
    def ends_below(self) -> float:
        """Probability below which speech ends."""
        if self.neg_threshold is None:
            return max(0.0, self.threshold - VAD_NEG_MARGIN)
        return self.neg_threshold
