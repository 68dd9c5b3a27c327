"""Widths of text on a terminal, where a Korean syllable takes two columns."""

from __future__ import annotations

import unicodedata


def display_width(text: str) -> int:
    """Return how many terminal columns a text takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text that is broken between words to a number of columns.

    >>> wrapped("감정을 실시간으로", 12)
    ['감정을', '실시간으로']
    """
    lines: list[str] = []
    for word in text.split():
        if lines and display_width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
