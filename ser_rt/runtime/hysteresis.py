"""`Hysteresis`, which names an emotion and keeps to it while it can."""

from __future__ import annotations

from ser_rt.classifier import FloatArray
from ser_rt.profiles import Naming


class Hysteresis:
    """Chooses the emotion of each result of one stream."""

    def __init__(self, naming: Naming) -> None:
        self._settings = naming
        self._held: int | None = None
        self._since_s = 0.0

    def release(self) -> None:
        """Keep to nothing: another person speaks."""
        self._held = None

    def update(
        self, probabilities: FloatArray | None, end_s: float, shown: FloatArray | None = None
    ) -> int | None:
        """Return the index of the emotion to name at ``end_s``, or None if none is sure enough.

        ``probabilities`` is what is believed, float32 ``[labels]``, or None for silence, which
        releases the emotion; ``shown`` is what `unsure` is held against, if that is calibrated.
        """
        if probabilities is None:
            self._held = None
            return None
        likeliest = int(probabilities.argmax())
        if self._changes(probabilities, likeliest, end_s):
            self._held, self._since_s = likeliest, end_s
        sure = probabilities if shown is None else shown
        if self._held is None or sure[self._held] < self._settings.unsure:
            return None
        return self._held

    def _changes(self, probabilities: FloatArray, likeliest: int, end_s: float) -> bool:
        if likeliest == self._held or probabilities[likeliest] < self._settings.enter:
            return False
        if self._held is None:
            return True
        is_free = end_s - self._since_s >= self._settings.hold_s
        return is_free and probabilities[self._held] < self._settings.leave
