"""`instructions`: what a language model is told of how a caller sounds."""

from __future__ import annotations

from ser_rt.runtime.event import UNSURE


def instructions(emotion: str | None, confidence: float | None) -> str:
    """Return one paragraph for a system message; nothing where no emotion was named.

    Example:
        >>> instructions("Angry", 0.66)[:46]
        'The voice of the caller sounds angry (66 %) in'
        >>> instructions("unsure", 0.3)
        ''
    """
    if emotion is None or emotion == UNSURE:
        return ""
    share = "" if confidence is None else f" ({confidence:.0%})".replace("%", " %")
    return (
        f"The voice of the caller sounds {emotion.lower()}{share} in what they just said. This is "
        "how the voice sounds, not what the person feels: let your tone fit, do not mention it, "
        "and decide nothing about the person by it."
    )
