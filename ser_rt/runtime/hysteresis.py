"""From probabilities that move to a name that stays."""

from __future__ import annotations

from dataclasses import dataclass

from ser_rt.classifier import FloatArray
from ser_rt.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HysteresisSettings:
    """How firmly a name is held. As it is, the likeliest emotion is named at every result.

    Attributes:
        enter: Another emotion is named once its smoothed probability reaches this. A change
            shows ``half_life_s * log2(1 / (1 - enter))`` seconds later for it.
        leave: The named emotion is kept while its probability is at least this.
        hold_s: A named emotion is kept for this long; it can delay a change by as much.
        unsure: Nothing is named below this probability. It delays nothing.
    """

    enter: float = 0.0
    leave: float = 1.0
    hold_s: float = 0.0
    unsure: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name in ("enter", "leave", "unsure"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                msg = f"{name} must be within 0 and 1, not {value!r}"
                raise ConfigError(msg)
        if not 0 <= self.hold_s < float("inf"):
            msg = f"hold must be 0 s or more, not {self.hold_s!r}"
            raise ConfigError(msg)


class Hysteresis:
    """Names an emotion, and keeps to it while it can."""

    def __init__(self, steadiness: HysteresisSettings) -> None:
        """Set how firmly."""
        self._how = steadiness
        self._held: int | None = None
        self._since_s = 0.0

    def update(self, probabilities: FloatArray | None, end_s: float) -> int | None:
        """Return the number of the emotion to name at ``end_s``, or None if none is sure enough.

        ``probabilities`` is float32 ``[labels]``, or None for silence, which ends what was held.
        """
        if probabilities is None:
            self._held = None
            return None
        likeliest = int(probabilities.argmax())
        if self._changes(probabilities, likeliest, end_s):
            self._held, self._since_s = likeliest, end_s
        if self._held is None or probabilities[self._held] < self._how.unsure:
            return None
        return self._held

    def _changes(self, probabilities: FloatArray, likeliest: int, end_s: float) -> bool:
        if likeliest == self._held or probabilities[likeliest] < self._how.enter:
            return False
        if self._held is None:
            return True
        is_free = end_s - self._since_s >= self._how.hold_s
        return is_free and probabilities[self._held] < self._how.leave
