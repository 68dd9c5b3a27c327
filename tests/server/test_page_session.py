"""A session on the page: a recording, what is shown of it, its files; microphones; reference."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
import soundfile

from ser_rt.server.protocol import check, schema
from tests.server.conftest import DEMO, Running
from tests.support.browser import Launch, Visit, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CLIP_S = 10
BREAK = """() => {
  let received = 0;
  window.WebSocket = class extends WebSocket {
    set onmessage(take) {
      super.onmessage = (message) => {
        take(message);
        if ((received += 1) === 12) this.close();
      };
    }
  };
}"""
VIEW = """async () => {
  const { View } = await import("/static/view.js");
  const view = new View();
  const seen = () => [view.from_s, view.to_s, view.is_following];
  view.reset(true);
  view.advance(20, 20);
  const found = [seen()];
  view.advance(200, 200);
  found.push(seen());
  view.show(50);
  view.advance(260, 260);
  found.push(seen());
  view.zoom(Infinity);
  found.push(seen());
  view.zoom(60);
  view.show(500);
  view.advance(300, 300);
  found.push(seen());
  return found;
}"""


@pytest.fixture(scope="module")
def browser(launch: Launch) -> Browser:
    return launch("/dev/zero")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples, rate = soundfile.read(DEMO, start=48_000, frames=CLIP_S * 16_000, dtype="int16")
    path = tmp_path_factory.mktemp("clips") / "clip.wav"
    soundfile.write(path, samples, rate)
    return path


def analysed(it: Visit, path: Path) -> None:
    """Open a recording, and wait until all of it has results."""
    it.page.set_input_files("#file", path)
    it.see("#minute-name", path.name)
    it.see("#state", "Finished")


def saved(it: Visit, kind: str) -> bytes:
    """Save the session in a format, and return the file."""
    with it.page.expect_download() as download:
        it.page.click(f"[data-save={kind}]")
    assert download.value.suggested_filename == f"clip.{kind}"
    return Path(download.value.path()).read_bytes()


def post(address: str, path: Path) -> dict[str, Any]:
    """Return what the server says of a file over HTTP."""
    with urlopen(Request(address, path.read_bytes()), timeout=60) as answer:  # noqa: S310 (ours)
        found: dict[str, Any] = json.load(answer)
    return found


def test_a_recording_is_analysed_at_once_and_plays_from_where_one_clicks(
    browser: Browser, running: Running, clip: Path
) -> None:
    with visit(browser, running.http("/")) as it:
        analysed(it, clip)
        assert it.configs[-1]["live"] is False
        assert float(it.page.inner_text("#speed").split()[0]) > 1.5
        assert it.page.get_attribute("#progress", "value") == "1"
        assert it.page.inner_text("#position") == "0:00 / 0:10"
        assert it.page.inner_text("#word") == it.events("summary")[-1]["overall"]["emotion"]
        box = it.page.locator("#timeline").bounding_box()
        assert box
        it.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 30)
        it.see("#bars-name", "How likely each is at 0:0")
        it.page.locator("#play[aria-label=Pause]").click()
        it.page.locator("#play[aria-label=Play]").wait_for()
        assert 5 <= position(it) < 10
        at_middle = {e.get("emotion") for e in it.events("emotion") if e["end"] > 5}
        assert it.page.inner_text("#word") in at_middle | {"Silence"}
        it.page.focus("#seek")
        it.page.keyboard.press("Home")
        it.see("#position", "0:00 / 0:10")
        assert it.page.get_attribute("#seek", "aria-valuetext") == "0:00 of 0:10"
        it.page.locator("#turns button").last.click()
        it.page.locator("#play[aria-label=Pause]").wait_for()
        assert position(it) >= it.events("turn")[-1]["start"]
        it.page.keyboard.press("Tab")  # the button is still there, and what follows it is next
        assert it.page.evaluate("document.activeElement.dataset.save") == "png"
        exported(it, post(running.http("/v1/classify?turns=true&episodes=true"), clip))


def position(it: Visit) -> float:
    """Return where the recording plays, in seconds."""
    return float(it.page.input_value("#seek"))


def exported(it: Visit, posted: dict[str, Any]) -> None:
    """Check the files of a session with what the server says of the same recording over HTTP."""
    whole = json.loads(saved(it, "json"))
    check(whole, "classification", "internal")
    assert whole == posted
    rows = list(csv.DictReader(io.StringIO(saved(it, "csv").decode())))
    results = [e for e in posted["events"] if e["type"] in ("emotion", "no_speech")]
    assert [float(row["end_s"]) for row in rows] == [e["end"] for e in results]
    assert [row["emotion"] or None for row in rows] == [e.get("emotion") for e in results]
    named = next(n for n, e in enumerate(results) if e["type"] == "emotion")
    shares = results[named]["probabilities"]
    assert {k: float(rows[named][f"p_{k}"]) for k in shares} == shares
    episodes = [e for e in posted["events"] if e["type"] == "episode"]
    blocks = saved(it, "srt").decode().strip().split("\n\n")
    assert [b.split("\n")[2].split()[0] for b in blocks] == [e["emotion"] for e in episodes]
    assert blocks[0].split("\n")[1].startswith("00:00:0")
    picture = saved(it, "png")
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000


def test_one_scrolls_over_all_of_a_session(
    browser: Browser, running: Running, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(DEMO, dtype="int16")
    long = tmp_path / "long.wav"
    soundfile.write(long, np.resize(samples, 64 * rate), rate)
    with visit(browser, running.http("/")) as it:
        assert it.page.evaluate(VIEW) == [
            [-40, 20, True],
            [140, 200, True],
            [50, 110, False],
            [0, 260, False],
            [240, 300, True],
        ]
        analysed(it, long)
        assert it.page.is_hidden("#whole")
        it.page.click("[data-span='60']")
        shows(it, "0:00 to 1:00")
        it.page.focus("#scroll")
        it.page.keyboard.press("End")
        shows(it, "0:04 to 1:04")
        it.page.keyboard.press("ArrowLeft")
        shows(it, "0:00 to 1:00")
        it.page.hover("#timeline", force=True)
        it.page.mouse.wheel(2000, 0)
        shows(it, "0:04 to 1:04")


def shows(it: Visit, part: str) -> None:
    """Wait until a part of the session is shown."""
    it.page.locator(f"#scroll[aria-valuetext='{part}']").wait_for()


def test_each_channel_of_a_recording_by_itself(
    browser: Browser, running: Running, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(DEMO, stop=16_000 * 4, dtype="int16")
    silence = np.zeros_like(samples)
    call = tmp_path / "call.wav"
    pieces = [np.stack(pair, 1) for pair in ((samples, silence), (silence, samples))]
    soundfile.write(call, np.concatenate(pieces), rate)
    with visit(browser, running.http("/")) as it:
        analysed(it, call)
        assert it.configs[-1]["channels"] == 1
        one_lane = it.page.locator("#timeline").bounding_box()
        it.page.click("[data-split=yes]")
        it.see("#turns li", "Channel 2")
        it.see("#state", "Finished")
        config = it.configs[-1]
        assert (config["channels"], config["channel"]) == (2, "split")
        assert {e["channel"] for e in it.events("turn") if "channel" in e} == {1, 2}
        two_lanes = it.page.locator("#timeline").bounding_box()
        assert one_lane
        assert two_lanes
        assert two_lanes["height"] == pytest.approx(2 * one_lane["height"], abs=1)
        with it.page.expect_download() as download:
            it.page.click("[data-save=srt]")
        assert "[2] " in Path(download.value.path()).read_text(encoding="utf-8")


def test_a_recording_goes_on_where_its_connection_broke(
    browser: Browser, running: Running, clip: Path
) -> None:
    with visit(browser, running.http("/")) as it:
        it.page.evaluate(BREAK)
        analysed(it, clip)
        first, second = it.configs
        assert first["start_s"] == 0
        assert 1 < second["start_s"] < CLIP_S
        ends = [e["end"] for e in it.events("emotion", "no_speech")]
        assert max(ends) == CLIP_S
        assert max(b - a for a, b in pairwise(ends)) < 1.1
        assert it.page.is_hidden("#problem")


def test_the_chosen_microphone_is_remembered_and_said_to_be_gone(
    browser: Browser, running: Running
) -> None:
    with visit(browser, running.http("/")) as it:
        it.page.click("#listen")
        it.see("#state", "Listening")
        names = it.page.locator("#microphone option").all_inner_texts()
        assert names[0] == "The browser's default"
        assert len(names) >= 3
        it.page.select_option("#microphone", label=names[-1])
        it.wait_for_results(1)
        it.page.click("#listen")
        it.see("#state", "Finished")
        it.page.reload()
        chosen = it.page.locator("#microphone option:checked")
        assert chosen.inner_text() == names[-1]
        it.page.evaluate(
            """(label) => {
          const { enumerateDevices } = navigator.mediaDevices;
          navigator.mediaDevices.enumerateDevices = async () =>
            (await enumerateDevices.call(navigator.mediaDevices)).filter((d) => d.label !== label);
          navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
        }""",
            names[-1],
        )
        it.see("#microphone-row", "Microphone")
        it.page.locator("#microphone option", has_text="(not connected)").wait_for(state="attached")
        assert chosen.inner_text() == f"{names[-1]} (not connected)"
        gone = json.dumps({"id": "gone", "label": "Headset"})
        it.page.evaluate("(it) => localStorage.setItem('ser-rt.microphone', it)", gone)
        it.page.reload()
        it.page.click("#listen")
        it.see("#problem", "The chosen microphone is not connected")


def test_the_reference_describes_all_paths_and_messages(browser: Browser, running: Running) -> None:
    with visit(browser, running.http("/"), locale="ko-KR") as it:
        it.page.click("#reference")
        it.see("h1", "API 설명서")
        shown = it.page.inner_text("main")
        for path in ("/v1/classify", "/v1/models", "/healthz", "/readyz", "/metrics", "/v1/stream"):
            assert path in shown
        ids = set(it.page.locator("[id]").evaluate_all("(all) => all.map(({ id }) => id)"))
        links = it.page.locator("a[href^='#']")
        targets = links.evaluate_all("(all) => all.map((a) => a.getAttribute('href').slice(1))")
        assert set(targets) <= ids
        assert ids >= {f"schema-{name}" for name in schema()["$defs"]}
        assert "half_life_s" in it.page.inner_text("#classify")
        assert it.page.locator("[data-word]:empty").count() == 0
