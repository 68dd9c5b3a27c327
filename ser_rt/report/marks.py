"""Marks, one shape for each emotion: outlines that SVG and matplotlib both draw.

A colour alone says nothing to one man in twelve, and fifteen of them say little to anybody.
"""

from __future__ import annotations

import math
from itertools import starmap

Outline = tuple[tuple[float, float], ...]
"""Corners of one closed line, each within -1 and 1; y grows upwards."""


def _regular(corners: int, turn: float = 0.25, inner: float | None = None) -> Outline:
    """Return a regular polygon, or a star with an ``inner`` radius; ``turn`` is a first corner."""
    steps = corners if inner is None else 2 * corners
    radii = [1.0 if inner is None or not n % 2 else inner for n in range(steps)]
    angles = [2 * math.pi * (turn + n / steps) for n in range(steps)]
    return tuple((r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True))


def _scaled(outline: Outline, x: float, y: float) -> Outline:
    return tuple((x * a, y * b) for a, b in outline)


def _ring(outer: Outline, inner: float) -> Outline:
    hole = _scaled(outer, inner, inner)
    return (*outer, outer[0], hole[0], *reversed(hole))


def _heart() -> Outline:
    def corner(angle: float) -> tuple[float, float]:
        x = math.sin(angle) ** 3
        y = 13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle)
        return x, (y - math.cos(4 * angle)) / 15 + 0.12

    return tuple(corner(2 * math.pi * n / 28) for n in range(28))


def _drop() -> Outline:
    round_part = [math.pi * (0.85 + 1.3 * n / 16) for n in range(17)]
    return ((0.0, 1.0), *((0.72 * math.cos(a), 0.72 * math.sin(a) - 0.28) for a in round_part))


def _wave() -> Outline:
    xs = [-1 + n / 8 for n in range(17)]
    line = [(x, 0.45 * math.sin(2 * math.pi * x / 1.3)) for x in xs]
    return (*((x, y + 0.24) for x, y in line), *((x, y - 0.24) for x, y in reversed(line)))


def _linked(*outlines: Outline) -> Outline:
    """Return outlines as one line, which goes back on itself between them."""
    first = outlines[0]
    back = ((first[0], *outline, outline[0], first[0]) for outline in outlines[1:])
    return (*first, *(corner for part in back for corner in part))


def _box(x: float, y: float, wide: float, high: float) -> Outline:
    return ((x, y), (x + wide, y), (x + wide, y + high), (x, y + high))


def _question() -> Outline:
    angles = [math.radians(165 - 15 * n) for n in range(15)]
    outer = [(0.62 * math.cos(a), 0.38 + 0.62 * math.sin(a)) for a in angles]
    inner = [(0.3 * math.cos(a), 0.38 + 0.3 * math.sin(a)) for a in reversed(angles)]
    stem = [(0.17, -0.1), (0.17, -0.38), (-0.17, -0.38), (-0.17, 0.02)]
    return _linked((*outer, *stem, *inner), _box(-0.19, -1.0, 0.38, 0.38))


_CIRCLE = _scaled(_regular(24), 0.86, 0.86)
_CROSS = tuple(
    starmap(
        lambda x, y: (0.71 * (x - y), 0.71 * (x + y)),
        (
            *((-0.3, 1), (0.3, 1), (0.3, 0.3), (1, 0.3), (1, -0.3), (0.3, -0.3)),
            *((0.3, -1), (-0.3, -1), (-0.3, -0.3), (-1, -0.3), (-1, 0.3), (-0.3, 0.3)),
        ),
    )
)

MARKS: dict[str, Outline] = {
    "circle": _CIRCLE,
    "triangle": _scaled(_regular(3), 1.0, 0.95),
    "star": _regular(5, inner=0.42),
    "drop": _drop(),
    "square": ((-0.76, 0.76), (0.76, 0.76), (0.76, -0.76), (-0.76, -0.76)),
    "wave": _wave(),
    "heart": _heart(),
    "bar": ((-1.0, 0.3), (1.0, 0.3), (1.0, -0.3), (-1.0, -0.3)),
    "diamond": _scaled(_regular(4), 0.85, 1.0),
    "ring": _ring(_CIRCLE, 0.5),
    "burst": _regular(8, inner=0.45),
    "half": (*(p for p in _CIRCLE if p[1] <= 0.01),),
    "chevron": ((-0.9, 0.9), (-0.2, 0.9), (0.9, 0), (-0.2, -0.9), (-0.9, -0.9), (0.2, 0)),
    "bolt": ((0.35, 1), (-0.75, -0.15), (-0.1, -0.15), (-0.35, -1), (0.75, 0.2), (0.1, 0.2)),
    "hourglass": ((-0.8, 0.9), (0.8, 0.9), (0.12, 0), (0.8, -0.9), (-0.8, -0.9), (-0.12, 0)),
    "cross": _CROSS,
    "down": _scaled(_regular(3), 1.0, -0.95),
    "hexagon": _scaled(_regular(6), 0.95, 0.95),
    "frame": _ring(_scaled(_regular(4), 0.95, 1.0), 0.5),
    "pentagon": _regular(5),
    "equals": _linked(_box(-0.9, 0.2, 1.8, 0.42), _box(-0.9, -0.62, 1.8, 0.42)),
    "dots": _linked(*(_box(x, -0.24, 0.48, 0.48) for x in (-1.0, -0.24, 0.52))),
    "question": _question(),
}


def svg_path(mark: str) -> str:
    """Return the outline of a mark as the ``d`` of a path in a view box of -1.2 -1.2 2.4 2.4."""
    corners = (f"{x:.2f} {-y:.2f}" for x, y in MARKS[mark])
    return f"M{'L'.join(corners)}z"
