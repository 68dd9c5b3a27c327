"""The page as a person meets it, in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ser_rt.constants import EMOTIONS
from tests.server.conftest import Running
from tests.support.browser import visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NARROW = {"width": 360, "height": 740}
TONES = (*map(str.lower, EMOTIONS), *(f"spare-{n}" for n in range(5)), "disgust", "unsure")
FOLDED = """async (emotions) => {
  const { Bars } = await import("/static/bars.js");
  const list = document.createElement("ul");
  document.body.append(list);
  const bars = new Bars(list);
  const labels = emotions.map((en) => ({ en, ko: en }));
  const words = (count, percent, is_open) => `${count} ${percent} ${is_open}`;
  bars.label(labels, (en) => en.toLowerCase(), "en", words);
  bars.show({ Shy: 0.5, Doubt: 0.2, Kind: 0.2, Joy: 0.06, Sad: 0.04 }, "Shy");
  const rows = () => [...list.querySelectorAll(".bar:not([hidden])")];
  const seen = () => rows().map((row) => row.dataset.emotion);
  const button = list.querySelector("button");
  const found = [seen(), button.textContent];
  button.click();
  const looks = (part, pseudo, property) => new Set(
    [...list.querySelectorAll(part)].map((node) => getComputedStyle(node, pseudo)[property]),
  );
  const tones = looks(".bar-fill", null, "backgroundColor");
  const marks = looks(".bar-name", "::before", "content");
  return [...found, seen().length, tones.size, marks.size];
}"""
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
    document.body.dataset.tone = tone;
    const other = colorOf(tone.startsWith("--") ? tone.slice(2) : "word");
    const [light, dark] = [paper, other].sort((a, b) => b - a);
    return [tone, (light + 0.05) / (dark + 0.05)];
  });
}"""


def test_the_bars_move_with_the_results(browser: Browser, server: Running) -> None:
    with visit(browser, server.http("/")) as it:
        it.see("#word", "Press the button and speak.")
        bars = it.page.locator("#bars .bar-percent")
        assert bars.all_text_contents() == ["–"] * 6
        it.page.click("#listen")
        it.see("#state", "Listening")
        seen = set()
        for _ in range(4):
            it.wait_for_results(1)
            seen.add(shown(it.page))
        assert len(seen) > 1
        results = {(e["emotion"], round(100 * e["confidence"])) for e in it.events("emotion")}
        for word, named, percents in seen:
            assert word == named
            assert 97 <= sum(percents) <= 103
            assert (word, max(percents)) in results
        fill, track = (it.page.locator(f"#bars .named .bar-{part}") for part in ("fill", "track"))
        boxes = [box for box in (fill.bounding_box(), track.bounding_box()) if box]
        assert 0.1 < boxes[0]["width"] / boxes[1]["width"] < 1
        assert int(it.page.get_attribute("#meter", "aria-valuenow") or -60) > -60
        assert re.fullmatch(r"\d+ ms, 95 % in \d+ ms", it.page.inner_text("#delay"))
        it.see("#model", "base")
        it.see("#notice", "do not decide anything about a person")
        it.see("#episodes li", it.events("emotion")[-1]["emotion"])
        assert it.page.locator("#turns-part").is_hidden() == (not it.events("turn"))
        assert is_coloured(it.page)
        it.page.click("#listen")
        it.see("#state", "Finished")
        it.see("#about", "of the speech in")
        assert it.events("summary")
        last = it.events("turn")[-1]
        it.see("#turns li", last["emotion"])
        assert it.page.locator("#turns li").count() == min(12, len(it.events("turn")))


def test_of_fifteen_the_likeliest_are_shown_and_all_differ(
    browser: Browser, server: Running
) -> None:
    with visit(browser, server.http("/")) as it:
        found = it.page.evaluate(FOLDED, list(EMOTIONS))
    assert found == [["Joy", "Sad", "Kind", "Doubt", "Shy"], "10 0 false", 15, 15, 15]


def test_what_it_must_not_be_used_for_is_in_sight(browser: Browser, server: Running) -> None:
    for size in ({"width": 1280, "height": 720}, NARROW):
        with visit(browser, server.http("/"), viewport=size) as it:
            box = it.page.locator(".note").first.bounding_box()
            assert box
            assert box["y"] + box["height"] < size["height"]
            assert "Do not judge anyone by it" in it.page.inner_text(".note")


def test_a_sure_answer_is_larger_and_what_is_over_has_its_times(
    browser: Browser, server: Running
) -> None:
    with visit(browser, server.http("/")) as it:
        it.see("#axis", "60 s ago")
        it.page.click("#listen")
        it.see("#bars-name", "How likely each is now")
        it.wait_for_results(3)
        size, sure = it.page.evaluate("""() => {
          const word = document.querySelector("#word");
          const sure = word.style.getPropertyValue("--sure");
          return [parseFloat(getComputedStyle(word).fontSize), sure];
        }""")
        assert 0.4 < float(sure) <= 1
        full = it.page.evaluate("""() => {
          const word = document.querySelector("#word");
          word.style.setProperty("--sure", "1");
          return parseFloat(getComputedStyle(word).fontSize);
        }""")
        assert size == pytest.approx(full * float(sure), abs=1)
        it.page.click("#listen")
        it.see("#bars-name", "Share of all speech")
        it.see("#minute-name", "0:00 to 0:")
        assert "ago" not in it.page.inner_text("#axis")


def shown(page: Page) -> tuple[str, str, tuple[int, ...]]:
    """Return the large word, the name of the bar that stands out, and all percents, in speech.

    In a pause there are none: the next result with an emotion is waited for.
    """
    found = page.wait_for_function("""() => {
      const texts = (selector) =>
        [...document.querySelectorAll(selector)].map((node) => node.textContent);
      const percents = texts(".bar-percent");
      if (!percents.every((text) => /^\\d+ %$/.test(text))) return false;
      return [texts("#word")[0], texts(".named .bar-name")[0], percents];
    }""")
    word, named, percents = found.json_value()
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
            it.wait_for_results(1)
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
            assert focused.evaluate("(node) => getComputedStyle(node).outlineStyle") == "solid"
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
            ratios = it.page.evaluate(CONTRAST, [*TONES, "--ink", "--ink-2", "--alert"])
            assert {tone: ratio for tone, ratio in ratios if ratio < 4.5} == {}


def test_reduced_motion_stills_the_page(browser: Browser, server: Running) -> None:
    with visit(browser, server.http("/"), reduced_motion="reduce") as it:
        it.page.click("#listen")
        it.wait_for_results(2)
        style = "(node) => getComputedStyle(node).transitionDuration"
        assert it.page.locator(".bar-fill").first.evaluate(style) == "0s"
        assert is_coloured(it.page)


def test_the_page_says_what_it_shows_to_a_screen_reader(browser: Browser, server: Running) -> None:
    with visit(browser, server.http("/")) as it:
        for name in ("Listen", "Open a recording", "Switch between light and dark"):
            assert it.page.get_by_role("button", name=name).is_visible()
        assert it.page.get_by_role("meter", name="Level").count() == 1
        it.page.click("#listen")
        it.wait_for_results(3)
        assert re.fullmatch(r"\w+, \d+ percent", it.page.inner_text("#spoken"))
