"""Pages in a real browser: at two widths, listened to, sorted, with one emotion alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.constants import EMOTIONS, SAMPLE_RATE
from ser_rt.report.index import index_page, row_of
from ser_rt.report.page import page
from ser_rt.report.recording import RecordingReport
from ser_rt.report.sound import Mp3
from tests.conftest import make_wave
from tests.report.conftest import make_recording
from tests.support.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = {"desktop": (1280, 900), "phone": (360, 740)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launch:
        yield launch("/dev/zero")


@pytest.fixture(scope="module")
def call() -> RecordingReport:
    """A call of two, in fifteen emotions, with its sound."""
    labels = list(EMOTIONS)
    turns = [(4.0 * n, 4.0 * n + 3, labels[n * n % 15], 0.6 + n / 100) for n in range(30)]
    recording = make_recording(turns, labels=labels, channels=("Agent", "Customer"))
    sound = Mp3(SAMPLE_RATE)
    for channel in (1, 2):
        sound.feed(AudioChunk(make_wave(120.0, seed=channel), 0, 0.0, channel=channel))
    recording.audio = sound.finish()
    return recording


@contextmanager
def opened(browser: Browser, path: Path, size: str = "desktop", **how: str) -> Iterator[Page]:
    """Open a page; fail if it complains, asks for anything else, or is wider than the window."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, **how)  # type: ignore[arg-type]
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]


def until(it: Page, condition: str) -> None:
    """Wait until a condition of JavaScript holds; the page forbids playwright's own way."""
    ends_at = time.monotonic() + 20
    while not it.evaluate(condition):
        assert time.monotonic() < ends_at, condition
        it.wait_for_timeout(50)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_it_fits_and_is_quiet(
    browser: Browser, call: RecordingReport, tmp_path: Path, size: str, scheme: str, lang: str
) -> None:
    path = tmp_path / "call.html"
    path.write_text(page(call, lang), encoding="utf-8")
    with opened(browser, path, size, color_scheme=scheme) as it:
        back = it.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, back[4:-1].split(","))) < 300) == (scheme == "dark")
        wave = it.locator(".wave").first.bounding_box()
        assert wave is not None
        assert wave["width"] > 0.7 * SIZES[size][0]
        first = it.locator(".turn").first.evaluate("e => getComputedStyle(e).backgroundColor")
        assert first != back


def test_moments_play_from_where_they_are_to_where_they_end(
    browser: Browser, call: RecordingReport, tmp_path: Path
) -> None:
    path = tmp_path / "call.html"
    path.write_text(page(call, "en"), encoding="utf-8")
    now = "document.querySelector('audio').currentTime"
    with opened(browser, path) as it:
        card = it.locator(".moment").last
        voice = int(card.get_attribute("data-voice") or "")
        from_s, to_s = map(float, (card.get_attribute("data-play") or "").split())
        card.click()
        it.locator(".moment.playing").wait_for()
        until(it, f"{now} > {from_s}")
        assert from_s <= it.evaluate(now) < to_s
        assert it.inner_text("#play") == "Pause"
        heard = it.evaluate("voices.map((one) => one.gain.value)")
        assert heard == [float(n == voice) for n in (0, 1)]
        assert it.locator(".playhead:visible").count() == 2  # one a channel
        it.evaluate(f"document.querySelector('audio').currentTime = {to_s - 0.1}")
        until(it, "document.querySelector('audio').paused")
        assert it.locator(".moment.playing").count() == 0
        box = it.locator(".strip").first.bounding_box()
        assert box is not None
        it.locator(".strip").first.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
        until(it, f"Math.abs({now} - {call.duration_s / 2}) < 3")
        assert it.evaluate("voices.map((one) => one.gain.value)") == [1, 1]


def test_a_recording_that_is_elsewhere_can_be_opened(
    browser: Browser, call: RecordingReport, tmp_path: Path
) -> None:
    path, sound = tmp_path / "call.html", tmp_path / "elsewhere.mp3"
    sound.write_bytes(call.audio or b"")
    path.write_text(page(replace(call, audio=None), "en"), encoding="utf-8")
    with opened(browser, path) as it:
        assert it.locator("#play").is_hidden()
        it.set_input_files(".pick input", sound)
        it.locator("#play").wait_for()
        it.click("#play")
        until(it, "document.querySelector('audio').currentTime > 0")


def test_one_emotion_alone_and_turns_in_another_order(
    browser: Browser, call: RecordingReport, tmp_path: Path
) -> None:
    path = tmp_path / "call.html"
    path.write_text(page(call, "en"), encoding="utf-8")
    with opened(browser, path) as it:
        bar = it.locator(".bar").first
        bar.click()
        shown = it.evaluate(
            "[...document.querySelectorAll('.turn')].map(e => e.classList.contains('only'))"
        )
        assert 0 < sum(shown) < len(shown)
        bar.click()
        assert it.locator(".only").count() == 0
        percents = (
            "[...document.querySelectorAll('.turns tbody tr')].map(r => r.cells[4].innerText)"
        )
        it.locator(".turns th button").nth(4).click()
        found = [int(text.rstrip(" %")) for text in it.evaluate(percents)]
        assert found == sorted(found, reverse=True)
        it.locator(".turns th button").nth(4).click()
        assert [int(text.rstrip(" %")) for text in it.evaluate(percents)] == sorted(found)


def test_an_index_is_sorted_by_any_column(browser: Browser, tmp_path: Path) -> None:
    rows = []
    for n, seconds in enumerate((8.0, 2.0, 5.0)):
        recording = make_recording([(0.0, seconds, "Joy", 0.9)], name=f"{n}.wav")
        rows.append(row_of(recording, f"{n}.html"))
    path = tmp_path / "index.html"
    path.write_text(index_page(rows, recording.labels, "Calls", "en"), encoding="utf-8")
    names = "[...document.querySelectorAll('tbody tr')].map(r => r.cells[0].innerText)"
    with opened(browser, path, "desktop") as it:
        it.get_by_role("button", name="Length").click()
        assert it.evaluate(names) == ["0.wav", "2.wav", "1.wav"]
        it.get_by_role("button", name="Length").click()
        assert it.evaluate(names) == ["1.wav", "2.wav", "0.wav"]
        it.get_by_role("button", name="Recording").click()
        assert it.evaluate(names) == ["0.wav", "1.wav", "2.wav"]
