"""What a page says, and that it is whole by itself."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest

from ser_rt.constants import EMOTIONS
from ser_rt.report.index import index_page, row_of
from ser_rt.report.page import page
from tests.report.conftest import Made

TURNS = [
    (0.0, 8.0, "Neutral", 0.9),
    (10.0, 18.0, "Angry", 0.8),
    (20.0, 28.0, "Neutral", 0.7),
]


class Text(HTMLParser):
    """The words of a page, without its styles and scripts; and whether its tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["style"], ["script"]) and data.strip():
            self.words.append(data.strip())


def words(html: str) -> str:
    return " ".join(Text(html).words)


def test_a_page_tells_what_the_recording_was_like(made: Made) -> None:
    told = words(page(made(TURNS), "en"))
    assert "Mostly Neutral" in told
    assert "Strongest moment: Angry 0:14" in told
    assert "28 s" in told
    assert "Speech 86 %" in told
    assert "A notice of the model." in told
    assert "Nothing about age or gender is inferred." in told
    assert "−13 dB" in told or "−14 dB" in told


def test_korean_pages_are_korean(made: Made) -> None:
    html = page(made(TURNS), "ko")
    assert '<html lang="ko">' in html
    told = words(html)
    for word in ("대체로 중립", "가장 뚜렷한 순간", "분노", "나이나 성별은 추정하지 않습니다"):
        assert word in told
    assert not re.search(r"\b(Mostly|Turns|Angry|Play)\b", told)


def test_names_are_text_and_never_markup(made: Made) -> None:
    evil = "<script>alert(1)</script>\"'&.wav"
    recording = made(TURNS, name=evil, channels=("<b>a", "b"))
    recording.link = 'x" onerror="alert(1)'
    recording.warnings.append("<i>broken")
    recording.error = "<u>"
    html = page(recording, "en")
    assert evil in words(html)
    assert "<script>alert" not in html
    assert "<b>a" not in html
    assert 'onerror="alert' not in html
    row = index_page([row_of(recording, "a b.html")], recording.labels, evil, "en")
    assert "<script>alert" not in row
    assert 'href="a%20b.html"' in row


def test_a_page_asks_nothing_of_any_network(made: Made) -> None:
    html = page(made(TURNS), "en")
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", html)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", html)
    assert "default-src 'none'" in html


def test_sound_is_embedded_or_linked(made: Made) -> None:
    recording = made(TURNS)
    recording.link = "calls/a%20b.wav"
    assert 'src="calls/a%20b.wav"' in page(recording, "en")
    recording.audio = b"\xff\xfbsound"
    assert 'src="data:audio/mpeg;base64,//tzb3VuZA=="' in page(recording, "en")


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_recording_without_speech_says_so(made: Made, lang: str) -> None:
    html = page(made([], duration_s=3.0), lang)
    assert {"en": "No speech", "ko": "말소리 없음"}[lang] in words(html)
    assert 'class="bar ' not in html


def test_thousands_of_turns_stay_small(made: Made) -> None:
    labels = list(EMOTIONS)
    turns = [(3.0 * n, 3.0 * n + 2.5, labels[n % 15], 0.5 + n % 50 / 100) for n in range(3600)]
    html = page(made(turns, labels=labels, channels=("agent", "customer")), "en")
    assert html.count("<tr") == 3601
    assert len(html) < 2_000_000


def test_more_turns_than_a_page_has_are_counted(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ser_rt.report.collector.MOST_TURNS", 2)
    recording = made(TURNS)
    assert (len(recording.turns), recording.more_turns) == (2, 1)
    assert dict(recording.shares())["Neutral"] == pytest.approx(2 / 3, abs=0.01)
    assert "1 more turns are not in this table" in words(page(recording, "en"))


def test_a_picture_is_as_wide_as_a_slide(made: Made) -> None:
    image = pytest.importorskip("PIL.Image")
    from ser_rt.report.figure import figure_png

    turns = [(3.0 * n, 3.0 * n + 2.5, label, 0.9) for n, label in enumerate(EMOTIONS)]
    png = figure_png(
        made(turns, labels=list(EMOTIONS), channels=("a", "b"), name="감정 😀 $x$"), "en"
    )
    picture = image.open(io.BytesIO(png)).convert("RGB")
    assert picture.width == 2000
    assert len({c for _, c in picture.getcolors(1 << 24)} & {(220, 36, 64), (236, 164, 53)}) == 2
    silent = figure_png(made([], duration_s=3.0), "en")
    assert image.open(io.BytesIO(silent)).width == 2000
