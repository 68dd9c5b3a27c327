"""The page as a person meets it, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile
import soxr
from websockets.sync.client import connect

import ser_rt
from ser_rt.server.limits import Limits
from tests.server.browser import Killable, Launch, chromium, visit
from tests.server.conftest import Running, receive, serving
from tests.source_tree import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DEMO = ROOT / "ser_rt/samples/demo.flac"
NARROW = {"width": 360, "height": 740}
KEY = "a-key-of-more-than-sixteen-characters"
TONES = ("neutral", "angry", "joy", "sad", "fear", "surprise", "disgust", "spare-1", "spare-2")
CONTRAST = """(tones) => {
  const luminance = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const colorOf = (name) => {
    document.body.style.color = `var(--${name})`;
    return luminance(getComputedStyle(document.body).color);
  };
  const paper = colorOf("paper");
  return tones.map((tone) => {
    const [light, dark] = [paper, colorOf(tone)].sort().reverse();
    return [tone, (light + 0.05) / (dark + 0.05)];
  });
}"""


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    with chromium() as launch:
        yield launch


@pytest.fixture(scope="module")
def browser(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A browser that hears the sample again and again."""
    samples, rate = soundfile.read(DEMO, dtype="float32")
    wav = tmp_path_factory.mktemp("microphone") / "demo.wav"
    soundfile.write(wav, soxr.resample(samples, rate, 48_000), 48_000, subtype="PCM_16")
    return launch(str(wav))


@pytest.fixture(scope="module")
def server(launch: Launch) -> Iterator[Running]:
    del launch  # Without a browser there is nothing to serve.
    with serving(ser_rt.load()) as running:
        yield running


def numbers(texts: list[str]) -> list[int]:
    return [int(re.sub(r"\D", "", text) or 0) for text in texts]


def test_the_bars_move_with_what_the_server_hears(browser: Browser, server: Running) -> None:
    with visit(browser, server.http("/")) as it:
        it.see("#word", "Press the button and speak.")
        bars = it.page.locator("#bars .bar-percent")
        assert bars.all_text_contents() == ["–"] * 6
        it.page.click("#listen")
        it.see("#state", "Listening")
        seen = set()
        for _ in range(4):
            it.hear(1)
            seen.add(shown(it.page))
        assert len(seen) > 1
        heard = {(e["emotion"], round(100 * e["confidence"])) for e in it.events("emotion")}
        for word, named, percents in seen:
            assert word == named
            assert 97 <= sum(percents) <= 103
            assert (word, max(percents)) in heard
        fill, track = (it.page.locator(f"#bars .named .bar-{part}") for part in ("fill", "track"))
        boxes = [box for box in (fill.bounding_box(), track.bounding_box()) if box]
        assert 0.1 < boxes[0]["width"] / boxes[1]["width"] < 1
        assert int(it.page.get_attribute("#meter", "aria-valuenow") or -60) > -60
        assert re.fullmatch(r"\d+ ms, 95 % in \d+ ms", it.page.inner_text("#delay"))
        it.see("#model", "compact")
        it.see("#episodes li", it.events("emotion")[-1]["emotion"])
        assert is_coloured(it.page)
        it.page.click("#listen")
        it.see("#state", "Finished")
        it.see("#about", "of the speech in")
        assert it.events("summary")


def shown(page: Page) -> tuple[str, str, tuple[int, ...]]:
    """Return the large word, the name of the bar that stands out, and all percents."""
    word, named, percents = page.evaluate("""() => {
      const texts = (selector) =>
        [...document.querySelectorAll(selector)].map((node) => node.textContent);
      return [texts("#word")[0], texts(".named .bar-name")[0], texts(".bar-percent")];
    }""")
    return word, named, tuple(int(text.removesuffix(" %")) for text in percents)


def is_coloured(page: Page) -> bool:
    """Return whether the timeline shows the emotion of now in its wave and in its ribbon."""
    return bool(
        page.evaluate(r"""() => {
          const bar = document.querySelector("#bars .named .bar-fill");
          const tone = getComputedStyle(bar).backgroundColor.match(/\d+/g).join();
          const canvas = document.querySelector("#timeline");
          const { width, height } = canvas;
          const has = (top, bottom) => {
            const { data } = canvas.getContext("2d").getImageData(0, top, width, bottom - top);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) {
              count += data.slice(i, i + 3).join() === tone;
            }
            return count > 20;
          };
          return has(0, height * 0.6) && has(height * 0.85, height);
        }""")
    )


def test_denied_permission_is_said_and_a_recording_still_works(
    launch: Launch, server: Running
) -> None:
    with visit(launch("none", allow=False), server.http("/")) as it:
        it.page.click("#listen")
        it.see("#problem", "The microphone is blocked")
        it.see("#state", "Stopped")
        it.page.set_input_files("#file", DEMO)
        it.see("#state", "Playing")
        it.hear(1)
        assert not it.page.is_visible("#problem")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("navigator.mediaDevices.getUserMedia = refuse('NotFoundError')", "No microphone"),
        ("navigator.mediaDevices.getUserMedia = refuse('NotReadableError')", "Another program"),
        ("Object.defineProperty(window, 'isSecureContext', { value: false })", "over https"),
        ("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })", "cannot record"),
    ],
)
def test_what_keeps_a_microphone_away_is_said_plainly(
    browser: Browser, server: Running, spoil: str, words: str
) -> None:
    refuse = "const refuse = (name) => () => Promise.reject(new DOMException('', name));"
    with visit(browser, server.http("/")) as it:
        it.page.evaluate(f"() => {{ {refuse} {spoil} }}")
        it.page.click("#listen")
        it.see("#problem", words)
        assert it.page.inner_text("#listen") == "Listen"


def test_a_file_without_sound_is_refused_in_words(
    browser: Browser, server: Running, tmp_path: Path
) -> None:
    text = tmp_path / "words.txt"
    text.write_text("no sound in here", encoding="utf-8")
    with visit(browser, server.http("/")) as it:
        it.page.set_input_files("#file", text)
        it.see("#problem", "no sound that the browser can play")


def test_a_lost_server_is_found_again_and_time_goes_on(browser: Browser) -> None:
    server = Killable()
    lost = ["WebSocket connection", "Failed to load resource"]
    with server, visit(browser, server.address, expected=lost) as it:
        it.page.click("#listen")
        it.hear(2)
        last = it.events("emotion", "no_speech")[-1]
        server.__exit__(None, None, None)
        it.see("#state", "Reconnecting…")
        it.see("#problem", "The server does not answer")
        server.__enter__()
        it.see("#state", "Listening")
        it.hear(1)
        assert not it.page.is_visible("#problem")
        assert it.configs[-1]["start_s"] > last["end"]
        assert it.events("emotion", "no_speech")[-1]["start"] >= it.configs[-1]["start_s"]


def test_a_full_server_is_said_and_waited_for(browser: Browser, server: Running) -> None:
    full = ["WebSocket connection", "503"]
    with (
        serving(server.service.model, Limits(max_streams=1)) as small,
        visit(browser, small.http("/"), expected=full) as it,
    ):
        with connect(small.ws) as other:
            other.send(json.dumps({"type": "config", "sample_rate": 16_000}))
            assert receive(other)["type"] == "ready"
            it.page.click("#listen")
            it.see("#problem", "The server is full")
            it.see("#state", "Waiting for the server")
        it.see("#state", "Listening")
        assert not it.page.is_visible("#problem")


def test_a_key_leaves_the_address_and_a_wrong_one_is_named(
    browser: Browser, server: Running
) -> None:
    with serving(server.service.model, keys=(KEY,)) as closed:
        with visit(browser, closed.http("/"), expected=["401"]) as it:
            it.see("#problem", "The server wants a key")
        with visit(browser, closed.http("/?token=wrong"), expected=["401"]) as it:
            it.see("#problem", "does not know this key")
            assert "wrong" not in it.page.url
        with visit(browser, closed.http(f"/?token={KEY}")) as it:
            assert KEY not in it.page.url
            it.page.click("#listen")
            it.see("#state", "Listening")


def test_korean_by_the_browser_and_by_the_button(browser: Browser, server: Running) -> None:
    with visit(browser, server.http("/"), locale="ko-KR") as it:
        it.see("#word", "버튼을 누르고 말해 보세요.")
        assert it.page.get_attribute("html", "lang") == "ko"
        it.see("#bars .bar-name", "두려움")
        it.page.click("#listen")
        it.see("#state", "듣는 중")
        it.page.click("[data-language=en]")
        it.see("#state", "Listening")
        it.see("#bars .bar-name", "Fear")
        it.page.reload()
        it.see("#word", "Press the button and speak.")


def test_a_phone_needs_no_sideways_scroll(browser: Browser, server: Running) -> None:
    for locale in ("en-US", "ko-KR"):
        with visit(browser, server.http("/"), locale=locale, viewport=NARROW) as it:
            it.page.click("#listen")
            it.hear(1)
            assert it.page.evaluate("document.documentElement.scrollWidth") <= 360
            for button in it.page.locator("button:visible").all():
                box = button.bounding_box()
                assert box
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= 360


def test_the_keyboard_alone_will_do(browser: Browser, server: Running) -> None:
    with visit(browser, server.http("/")) as it:
        reached = []
        for _ in range(5):
            it.page.keyboard.press("Tab")
            focused = it.page.locator(":focus-visible")
            reached.append(focused.get_attribute("id") or focused.get_attribute("data-language"))
            assert focused.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
        assert reached == ["en", "ko", "theme", "listen", "open"]
        it.page.locator("#listen").focus()
        it.page.keyboard.press("Enter")
        it.see("#state", "Listening")
        it.page.keyboard.press("Enter")
        it.see("#state", "Finished")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_can_be_read(browser: Browser, server: Running, scheme: str) -> None:
    with visit(browser, server.http("/"), color_scheme=scheme) as it:
        for switch in (False, True):
            if switch:
                it.page.click("#theme")
            ratios = it.page.evaluate(CONTRAST, [*TONES, "unsure", "ink", "ink-2", "alert"])
            assert {tone: ratio for tone, ratio in ratios if ratio < 4.5} == {}


def test_reduced_motion_stills_the_page(browser: Browser, server: Running) -> None:
    with visit(browser, server.http("/"), reduced_motion="reduce") as it:
        it.page.click("#listen")
        it.hear(2)
        style = "node => getComputedStyle(node).transitionDuration"
        assert it.page.locator(".bar-fill").first.evaluate(style) == "0s"
        assert is_coloured(it.page)


def test_the_page_says_what_it_shows_to_a_screen_reader(browser: Browser, server: Running) -> None:
    with visit(browser, server.http("/")) as it:
        for name in ("Listen", "Open a recording", "Switch between light and dark"):
            assert it.page.get_by_role("button", name=name).is_visible()
        assert it.page.get_by_role("meter", name="Level").count() == 1
        it.page.click("#listen")
        it.hear(3)
        assert re.fullmatch(r"\w+, \d+ percent", it.page.inner_text("#spoken"))
