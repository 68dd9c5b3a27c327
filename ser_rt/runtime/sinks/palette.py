"""`tone_of`: how an emotion looks on a terminal, from the palette of all that draws emotions."""

from __future__ import annotations

from typing import NamedTuple

from ser_rt.runtime.palette import SPARE, ink_of, place_of


class Tone(NamedTuple):
    """Look of an emotion.

    Attributes:
        mark: One column wide.
        color: As ``#rrggbb``, for displays.
        code: The terminal's own colour of the family (an SGR code), for lines.
    """

    mark: str
    color: str
    code: int


SILENCE = Tone("·", "#808080", 90)


def tone_of(emotion: str | None) -> Tone:
    """Return the look of an emotion; None is silence, and an unknown one is told by its name.

    >>> tone_of("Joy").mark, tone_of("Kind").mark, tone_of("Joy").code == tone_of("Kind").code
    ('★', '♥', True)
    """
    if not emotion:
        return SILENCE
    ink = ink_of(place_of(emotion) or SPARE[sum(emotion.encode()) % len(SPARE)])
    return Tone(ink.sign, ink.terminal, ink.code)
