"""`Ink`: the colours and the mark of an emotion, in families of feeling.

Emotions of a family share a hue and differ in lightness; every emotion has a mark of its own. The
hues were chosen so that any two of the first six families can be told apart with every kind of
colour blindness (a test simulates them: Machado, Oliveira and Fernandes, 2009).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ser_rt.report.marks import MARKS
from ser_rt.runtime.event import UNSURE

FAMILIES: dict[str, tuple[str, str]] = {
    "neutral": ("#aab3bb", "#5e666f"),
    "angry": ("#dc2440", "#f8603c"),
    "joy": ("#eca435", "#ecd27a"),
    "sad": ("#3a4a9e", "#5b6bfa"),
    "fear": ("#9b51e8", "#d992fb"),
    "surprise": ("#0b8a8a", "#14ab90"),
    "disgust": ("#4a7a10", "#9cc22a"),
    "spare-1": ("#e04fb5", "#ff74bb"),
    "unsure": ("#d3d7d9", "#3a4046"),
}
"""Colours on light and on dark paper, by the names that the server's page has for its tones."""

_SAME = {
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
_PLACES: dict[str, tuple[str, int, str]] = {
    "neutral": ("neutral", 0, "circle"),
    "calm": ("neutral", 1, "pentagon"),
    "dry": ("neutral", 1, "bar"),
    "serious": ("neutral", 2, "square"),
    "angry": ("angry", 0, "triangle"),
    "joy": ("joy", 0, "star"),
    "kind": ("joy", 1, "heart"),
    "tease": ("joy", 2, "diamond"),
    "sad": ("sad", 0, "drop"),
    "shy": ("sad", 1, "half"),
    "bored": ("sad", 2, "down"),
    "fear": ("fear", 0, "bolt"),
    "anxious": ("fear", 1, "wave"),
    "surprise": ("surprise", 0, "burst"),
    "hurry": ("surprise", 1, "chevron"),
    "disgust": ("disgust", 0, "cross"),
    "doubt": ("spare-1", 0, "hourglass"),
    "hesitate": ("spare-1", 1, "frame"),
    UNSURE: ("unsure", 0, "ring"),
}
"""Family, shade and mark of each emotion that is known."""

_SPARE = ("spare-1", "disgust", "surprise", "fear", "joy")
_SHADES = (0.0, 0.38, -0.32)
"""How far the shades of a family are from its colour towards the paper, or from the paper."""
_PAPER = (255, 20)


@dataclass(frozen=True)
class Ink:
    """How an emotion is drawn: colours on light and on dark paper, and a mark of `MARKS`."""

    family: str
    mark: str
    light: str
    dark: str


def palette(labels: Iterable[str]) -> dict[str, Ink]:
    """Return the `Ink` of each emotion of a model, and of ``unsure``."""
    places = {label: place_of(label) for label in dict.fromkeys((*labels, UNSURE))}
    used = {place[2] for place in places.values() if place}
    free = [mark for mark in reversed(MARKS) if mark not in used]
    inks, unknown = {}, 0
    for label, place in places.items():
        if place is None:
            family, shade = _SPARE[unknown % len(_SPARE)], unknown // len(_SPARE) % len(_SHADES)
            mark = free[unknown % len(free)] if free else "circle"
            unknown += 1
        else:
            family, shade, mark = place
        light, dark = (
            _mixed(colour, _SHADES[shade], paper)
            for colour, paper in zip(FAMILIES[family], _PAPER, strict=True)
        )
        inks[label] = Ink(family, mark, light, dark)
    return inks


def place_of(label: str) -> tuple[str, int, str] | None:
    """Return family, shade and mark of an emotion; None if it is not known."""
    name = label.lower()
    return _PLACES.get(_SAME.get(name, name))


def is_plain(label: str) -> bool:
    """Return whether a name stands for no emotion that a person would point at."""
    return label.lower() in ("neutral", "calm", UNSURE)


def on(colour: str) -> str:
    """Return black or white, whichever is read better on a colour (WCAG 2.2)."""
    luminance = luminance_of(colour)
    return "#000000" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def luminance_of(colour: str) -> float:
    """Return the relative luminance of a colour, 0 to 1 (WCAG 2.2)."""
    parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    linear = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _mixed(colour: str, share: float, paper: int) -> str:
    """Mix a colour with its paper, or for a share below 0 with the opposite of it."""
    towards = paper if share >= 0 else 255 - paper
    parts = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    mixed = (round(part + abs(share) * (towards - part)) for part in parts)
    return "#" + "".join(f"{part:02x}" for part in mixed)
