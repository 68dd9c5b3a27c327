"""`tone_of`: how an emotion looks on a terminal: a mark, and a colour of its family.

The fifteen are six families of hue; within one, marks and shades differ, so that neither the
colour-blind nor `NO_COLOR` lose anything. Shades have a contrast of 3 or more on black and on
white alike: their relative luminance is near 0.18.
"""

from __future__ import annotations

from typing import NamedTuple

from ser_rt.runtime.event import UNSURE


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


_PLAIN, _RED, _YELLOW, _BLUE, _MAGENTA, _CYAN, _GREEN = 39, 31, 33, 34, 35, 36, 32

TONES = {
    "Neutral": Tone("○", "#777777", _PLAIN),
    "Dry": Tone("=", "#8c7d5c", _PLAIN),
    "Serious": Tone("◎", "#5c718c", _PLAIN),
    "Angry": Tone("▲", "#db2c2b", _RED),
    "Hurry": Tone("»", "#c65e0a", _RED),
    "Joy": Tone("★", "#9b7e0e", _YELLOW),
    "Kind": Tone("♥", "#268b1e", _YELLOW),
    "Tease": Tone("≈", "#708407", _YELLOW),
    "Sad": Tone("▼", "#2968e4", _BLUE),
    "Hesitate": Tone("…", "#0d83bf", _BLUE),
    "Fear": Tone("◆", "#9645dc", _MAGENTA),
    "Anxious": Tone("◇", "#bb44b4", _MAGENTA),
    "Shy": Tone("◈", "#d04c7a", _MAGENTA),
    "Surprise": Tone("!", "#108a8a", _CYAN),
    "Doubt": Tone("?", "#128568", _CYAN),
    UNSURE: Tone("-", "#808080", 90),
}
SILENCE = Tone("·", "#808080", 90)

_MORE = (("+", "#a86717"), ("×", "#07809c"), ("#", "#8c7d5c"), ("%", "#708407"), ("&", "#d04c7a"))
"""Of emotions of other label sets, by their name's bytes."""


def tone_of(emotion: str | None) -> Tone:
    """Return the look of an emotion; None is silence.

    >>> tone_of("Joy").mark, tone_of("Kind").mark, tone_of("Joy").code == tone_of("Kind").code
    ('★', '♥', True)
    """
    if not emotion:
        return SILENCE
    if emotion in TONES:
        return TONES[emotion]
    mark, color = _MORE[sum(emotion.encode()) % len(_MORE)]
    return Tone(mark, color, _GREEN)
