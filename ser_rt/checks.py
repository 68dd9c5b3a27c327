"""Whole numbers, as callers give them."""

from __future__ import annotations

from numbers import Integral, Real


def whole(value: object) -> int | None:
    """Return a whole number as an `int`, be it an `int`, of numpy, or a float; None for all else.

    Libraries of sound cards, JSON and numpy give rates and counts as floats. True is no number.

    >>> whole(44100.0), whole(44100.5), whole(True), whole("44100")
    (44100, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = int(value) if isinstance(value, Integral) else int(float(value))
    except (OverflowError, ValueError):  # infinity, NaN
        return None
    return number if number == value else None


def whole_number(text: str) -> int:
    """Read a whole number of a command line or a query: ``44100``, or ``44100.0`` as it may come.

    Raises:
        ValueError: it is none.
    """
    try:
        return int(text)
    except ValueError:
        number = whole(float(text))
    if number is None:
        msg = f"{text!r} is no whole number"
        raise ValueError(msg)
    return number
