"""`Ink`: how an emotion looks, on a terminal, on the server's page and in a report.

Emotions are families of feeling: those of a family share a hue and differ in lightness, and every
emotion has a mark of its own, as a character and as an outline. The hues were chosen so that any
two of the first six families can be told apart with every kind of colour blindness (a test
simulates them: Machado, Oliveira and Fernandes, 2009).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from ser_rt.runtime.event import UNSURE

PAPER, DARK_PAPER = "#fafaf8", "#111315"
READABLE = 4.5
"""Least contrast of text with its paper (WCAG 2.2)."""


class Hue(NamedTuple):
    """Colours of a family on light and on dark paper, and its code on a terminal (SGR)."""

    light: str
    dark: str
    code: int


FAMILIES = {
    "neutral": Hue("#aab3bb", "#5e666f", 39),
    "angry": Hue("#dc2440", "#f8603c", 31),
    "joy": Hue("#eca435", "#ecd27a", 33),
    "sad": Hue("#3a4a9e", "#5b6bfa", 34),
    "fear": Hue("#9b51e8", "#d992fb", 35),
    "surprise": Hue("#0b8a8a", "#14ab90", 36),
    "disgust": Hue("#4a7a10", "#9cc22a", 32),
    "spare": Hue("#e04fb5", "#ff74bb", 32),
    "unsure": Hue("#d3d7d9", "#3a4046", 90),
}


class Place(NamedTuple):
    """Where an emotion is among the families: its shade, and its mark as `Ink` has it."""

    family: str
    shade: int
    sign: str
    mark: str


PLACES = {
    "neutral": Place("neutral", 0, "●", "circle"),
    "calm": Place("neutral", 1, "○", "ring"),
    "dry": Place("neutral", 3, "=", "equals"),
    "serious": Place("neutral", 2, "■", "square"),
    "angry": Place("angry", 0, "▲", "triangle"),
    "hurry": Place("angry", 1, "»", "chevron"),
    "joy": Place("joy", 0, "★", "star"),
    "kind": Place("joy", 1, "♥", "heart"),
    "tease": Place("joy", 2, "≈", "wave"),
    "sad": Place("sad", 0, "▼", "down"),
    "hesitate": Place("sad", 1, "…", "dots"),
    "bored": Place("sad", 2, "•", "drop"),
    "fear": Place("fear", 0, "◆", "diamond"),
    "anxious": Place("fear", 1, "◇", "frame"),
    "shy": Place("fear", 2, "◐", "half"),
    "surprise": Place("surprise", 0, "*", "burst"),
    "doubt": Place("surprise", 1, "?", "question"),
    "disgust": Place("disgust", 0, "×", "cross"),
    UNSURE: Place("unsure", 0, "-", "bar"),
}
SAME = {
    "anger": "angry",
    "happy": "joy",
    "happiness": "joy",
    "sadness": "sad",
    "fearful": "fear",
    "anxiety": "anxious",
    "surprised": "surprise",
    "boredom": "bored",
    "tired": "bored",
}
"""What other corpora call the same."""

SPARE = (
    Place("spare", 0, "+", "hourglass"),
    Place("disgust", 1, "%", "hexagon"),
    Place("spare", 1, "&", "pentagon"),
    Place("disgust", 2, "^", "bolt"),
    Place("spare", 2, "@", "burst"),
)
"""Of emotions that are not known, in the order of a model's labels."""

_SHADES = (0.0, 0.38, -0.32, -0.58)
"""How far the shades of a family are from its colour towards the paper, or from the paper."""
_PAPERS = ("#ffffff", "#141414")
_TERMINAL = (0.18, 0.27, 0.115, 0.22)
"""Luminance of the shades on a terminal: each has a contrast of 3 on black and on white alike."""


class Ink(NamedTuple):
    """How an emotion is drawn.

    Attributes:
        family: A key of `FAMILIES`.
        sign: Its mark as a character of one column.
        mark: Its mark as the name of an outline of `ser_rt.report.marks`.
        light: Colour to fill with, on light paper.
        dark: The same on dark paper.
        word: Colour of text on light paper.
        dark_word: The same on dark paper.
        terminal: Colour on a terminal, whose background is not known.
        code: The terminal's own colour of the family (an SGR code).
    """

    family: str
    sign: str
    mark: str
    light: str
    dark: str
    word: str
    dark_word: str
    terminal: str
    code: int


def palette(labels: Iterable[str]) -> dict[str, Ink]:
    """Return the `Ink` of each emotion of a model, and of ``unsure``."""
    inks, unknown = {}, 0
    for label in dict.fromkeys((*labels, UNSURE)):
        place = place_of(label)
        if place is None:
            place = SPARE[unknown % len(SPARE)]
            unknown += 1
        inks[label] = ink_of(place)
    return inks


def place_of(label: str) -> Place | None:
    """Return the place of an emotion; None if it is not known."""
    name = label.lower()
    return PLACES.get(SAME.get(name, name))


@cache
def ink_of(place: Place) -> Ink:
    """Return the colours of a place, all of which are made of the two of its family."""
    family = FAMILIES[place.family]
    share = _SHADES[place.shade]
    light, dark = (
        mixed(colour, paper if share >= 0 else _opposite(paper), abs(share))
        for colour, paper in zip(family[:2], _PAPERS, strict=True)
    )
    return Ink(
        *(place.family, place.sign, place.mark, light, dark),
        readable(light, PAPER),
        readable(dark, DARK_PAPER),
        _with_luminance(family.light, _TERMINAL[place.shade]),
        family.code,
    )


def custom_properties(ink: Ink) -> str:
    """Return what style sheets know of an emotion: what is filled, what is read, what is on it."""
    pairs = {
        "tone": (ink.light, ink.dark),
        "word": (ink.word, ink.dark_word),
        "on-tone": (on(ink.light), on(ink.dark)),
    }
    return " ".join(f"--{name}: light-dark({a}, {b});" for name, (a, b) in pairs.items())


def is_plain(label: str) -> bool:
    """Return whether a name stands for no emotion that a person would point at."""
    return label.lower() in ("neutral", "calm", UNSURE)


def on(colour: str) -> str:
    """Return black or white, whichever is read better on a colour."""
    return max("#000000", "#ffffff", key=lambda text: contrast(colour, text))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance_of(one), luminance_of(other)))
    return (high + 0.05) / (low + 0.05)


def luminance_of(colour: str) -> float:
    """Return the relative luminance of a colour, 0 to 1 (WCAG 2.2)."""
    parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    linear = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def readable(colour: str, paper: str) -> str:
    """Return a colour, as much nearer to black or white as text on a paper must be."""
    towards = on(paper)
    steps = (mixed(colour, towards, n / 50) for n in range(51))
    return next(found for found in steps if contrast(found, paper) >= READABLE)


def mixed(colour: str, other: str, share: float) -> str:
    """Return a colour with a share of another one."""
    pairs = ((int(colour[n : n + 2], 16), int(other[n : n + 2], 16)) for n in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def _with_luminance(colour: str, luminance: float) -> str:
    towards = "#000000" if luminance_of(colour) > luminance else "#ffffff"
    steps = (mixed(colour, towards, n / 100) for n in range(101))
    return min(steps, key=lambda found: abs(luminance_of(found) - luminance))


def _opposite(colour: str) -> str:
    parts = (255 - int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return "#" + "".join(f"{part:02x}" for part in parts)
