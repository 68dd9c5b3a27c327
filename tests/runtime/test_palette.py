"""Colours and marks: told apart by everybody, fifteen emotions as well as six."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ser_rt.constants import EMOTIONS
from ser_rt.report.marks import MARKS, svg_path
from ser_rt.report.page import asset
from ser_rt.report.parts import colours
from ser_rt.runtime.palette import (
    DARK_PAPER,
    PAPER,
    PLACES,
    SPARE,
    contrast,
    custom_properties,
    ink_of,
    is_plain,
    on,
    palette,
    place_of,
)
from ser_rt.runtime.sinks.palette import tone_of
from ser_rt.server.style import style_sheet
from ser_rt.testing import LABELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGHT = {
    "all cones": np.eye(3),
    "no red cones": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no green cones": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "no blue cones": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
"""What is seen of linear red, green and blue (Machado, Oliveira and Fernandes, 2009)."""

TO_LMS = [[0.412, 0.536, 0.051], [0.212, 0.681, 0.107], [0.088, 0.282, 0.630]]
TO_LAB = [[0.210, 0.794, -0.004], [1.978, -2.429, 0.451], [0.026, 0.783, -0.809]]
"""OKLab, in which equal distances look equal (Ottosson, 2020)."""


def seen(colour: str, sight: object) -> NDArray[np.float64]:
    """Return a colour as somebody sees it, in OKLab times 100."""
    parts = np.array([int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    there = np.clip(np.asarray(sight) @ linear, 0, 1)
    return np.asarray(100 * np.asarray(TO_LAB) @ np.cbrt(np.asarray(TO_LMS) @ there))


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("is_dark", [False, True])
def test_six_emotions_differ_in_colour_for_all_eyes(sight: str, *, is_dark: bool) -> None:
    inks = palette(LABELS)
    found = [seen(inks[e].dark if is_dark else inks[e].light, SIGHT[sight]) for e in LABELS]
    assert min(np.linalg.norm(a - b) for a, b in combinations(found, 2)) > 9.5


def test_fifteen_emotions_differ_in_mark_and_those_of_a_family_in_lightness() -> None:
    inks = palette(EMOTIONS)
    assert len({inks[e].mark for e in inks}) == len(EMOTIONS) + 1  # and unsure
    assert len({inks[e].sign for e in inks}) == len(EMOTIONS) + 1
    assert {place.mark for place in (*PLACES.values(), *SPARE)} <= set(MARKS)
    for a, b in combinations(EMOTIONS, 2):
        assert (inks[a].light, inks[a].dark) != (inks[b].light, inks[b].dark)
        if inks[a].family == inks[b].family:
            difference = seen(inks[a].light, np.eye(3))[0] - seen(inks[b].light, np.eye(3))[0]
            assert abs(difference) > 5


def test_unknown_emotions_have_marks_of_their_own_as_far_as_there_are_any() -> None:
    inks = palette(["Neutral", *(f"mood {n}" for n in range(40))])
    assert inks["mood 0"].mark != inks["mood 1"].mark != inks["Neutral"].mark
    assert palette([]).keys() == {"unsure"}


def test_other_corpora_call_the_same_emotions_otherwise() -> None:
    assert place_of("happiness") == place_of("Joy") != place_of("Anger") == place_of("angry")
    assert is_plain("Neutral")
    assert is_plain("unsure")
    assert not is_plain("Serious")


def test_all_text_can_be_read() -> None:
    for ink in (ink_of(place) for place in (*PLACES.values(), *SPARE)):
        assert contrast(ink.word, PAPER) >= 4.5
        assert contrast(ink.dark_word, DARK_PAPER) >= 4.5
        for colour in (ink.light, ink.dark):
            assert contrast(colour, on(colour)) >= 4.5
        assert min(contrast(ink.terminal, paper) for paper in ("#000000", "#ffffff")) >= 3


def test_terminal_page_and_report_draw_an_emotion_alike() -> None:
    sheet = style_sheet()
    for label, ink in palette(EMOTIONS).items():
        assert (tone_of(label).mark, tone_of(label).color) == (ink.sign, ink.terminal)
        rule = next(r for r in sheet.splitlines() if f'"{label.lower()}"' in r.split("{")[0])
        assert custom_properties(ink) in rule
        assert custom_properties(ink) in colours([label])
        assert f'"{ink.sign}"' in rule
    paper = asset("server/static/theme.css")
    assert f"--paper: light-dark({PAPER}, {DARK_PAPER})" in paper


def test_marks_lie_within_their_view_box() -> None:
    for mark, outline in MARKS.items():
        assert np.abs(outline).max() <= 1.15
        assert svg_path(mark).startswith("M")
