"""The JavaScript client by itself, in a browser, with a socket that the test plays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.conftest import Running
from tests.support.browser import Launch, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

RATE = 1_000
SETUP = f"""async () => {{
  const {{ SerClient }} = await import("/static/ser-client.js");
  window.sockets = [];
  window.emitted = [];
  window.WebSocket = class {{
    static OPEN = 1;
    readyState = 0;
    bufferedAmount = 0;
    sent = [];
    constructor() {{ window.sockets.push(this); }}
    send(data) {{ this.sent.push(typeof data === "string" ? JSON.parse(data) : data.length); }}
    close() {{ this.readyState = 3; }}
    open() {{ this.readyState = 1; this.onopen(); }}
    receive(message) {{ this.onmessage({{ data: JSON.stringify(message) }}); }}
    lose() {{ this.readyState = 3; this.onclose({{ code: 1006 }}); }}
  }};
  const config = {{ sample_rate: {RATE}, live: true }};
  const {{ WebSocket }} = window;
  window.client = new SerClient("ws://nowhere/", {{ config, WebSocket }});
  for (const type of ["state", "result", "failure"]) {{
    window.client.addEventListener(type, ({{ detail }}) => window.emitted.push([type, detail]));
  }}
  window.give = (samples, ms) => window.client.send(new Int16Array(samples), ms);
  window.until = async (isSo) => {{
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
  }};
  window.last = () => window.sockets.at(-1);
  window.client.connect();
}}"""


@pytest.fixture(scope="module")
def page(launch: Launch, server: Running) -> Iterator[Page]:
    with visit(launch("none"), server.http("/")) as it:
        yield it.page


@pytest.fixture(autouse=True)
def client(page: Page) -> None:
    page.evaluate(SETUP)


def emitted(page: Page, kind: str) -> list[Any]:
    return [detail for type_, detail in page.evaluate("emitted") if type_ == kind]


def test_audio_and_the_end_wait_for_the_first_connection(page: Page) -> None:
    page.evaluate("() => { give(100); window.done = client.finish(); last().lose() }")
    page.evaluate("until(() => sockets.length === 2)")
    page.evaluate("() => { last().open(); last().receive({ type: 'ready' }) }")
    assert page.evaluate("last().sent[0].start_s") == 0
    assert page.evaluate("last().sent.slice(1)") == [100, {"type": "close"}]
    page.evaluate("() => { last().receive({ type: 'emotion', end: 0.1 }); last().lose() }")
    page.evaluate("done")
    assert len(emitted(page, "result")) == 1


def test_a_recording_waits_for_a_slow_connection(page: Page) -> None:
    page.evaluate("""async () => {
      const { SerClient } = await import("/static/ser-client.js");
      const { WebSocket } = window;
      window.client = new SerClient("ws://nowhere/", { config: { sample_rate: 1000 }, WebSocket });
      client.connect();
      last().open();
      last().receive({ type: "ready" });
      last().bufferedAmount = 2 ** 21;
      give(200);
    }""")
    assert page.evaluate("last().sent.slice(1)") == [200]
    assert page.evaluate("client.lost_s") == 0


def test_audio_waits_for_ready_and_then_flows_in_order(page: Page) -> None:
    page.evaluate("() => { give(100); last().open(); give(10); give(20) }")
    assert page.evaluate("last().sent") == [
        {
            "type": "config",
            "encoding": "pcm_s16le",
            "channels": 1,
            "sample_rate": RATE,
            "live": True,
            "start_s": 0,
        }
    ]
    page.evaluate("() => { last().receive({ type: 'ready' }); give(30) }")
    assert page.evaluate("last().sent.slice(1)") == [100, 10, 20, 30]
    assert page.evaluate("[client.given_s, client.lost_s]") == [0.16, 0]
    assert emitted(page, "state") == ["connecting", "open"]


def test_a_slow_connection_leaves_a_gap_and_says_so(page: Page) -> None:
    page.evaluate("() => { last().open(); last().receive({ type: 'ready' }); give(100) }")
    page.evaluate("() => { last().bufferedAmount = 2 ** 21; give(200); give(50) }")
    page.evaluate("() => { last().bufferedAmount = 0; give(70); give(80) }")
    assert page.evaluate("last().sent.slice(1)") == [100, {"type": "gap", "seconds": 0.25}, 70, 80]
    assert [failure["code"] for failure in emitted(page, "failure")] == ["slow"]


def test_a_delay_is_from_the_sound_to_the_event(page: Page) -> None:
    page.evaluate("""() => {
      last().open();
      last().receive({ type: "ready" });
      give(1000, performance.now() - 500);
      give(1000, performance.now() - 100);
      last().receive({ type: "emotion", start: 0, end: 0.9 });
      last().receive({ type: "emotion", start: 0, end: 2 });
    }""")
    delays = [result["delay_ms"] for result in emitted(page, "result")]
    assert delays == [pytest.approx(600, abs=50), pytest.approx(100, abs=50)]


def test_a_lost_connection_is_tried_again_with_the_time_going_on(page: Page) -> None:
    page.evaluate(
        "() => { last().open(); last().receive({ type: 'ready' }); give(500); last().lose() }"
    )
    page.evaluate("give(250)")
    page.evaluate("until(() => sockets.length === 2)")
    page.evaluate("() => { last().open(); last().receive({ type: 'ready' }) }")
    assert page.evaluate("last().sent[0].start_s") == 0.75
    assert emitted(page, "state") == ["connecting", "open", "reconnecting", "reconnecting", "open"]
    assert [failure["code"] for failure in emitted(page, "failure")] == ["unreachable"]


def test_turns_are_counted_on_by_another_connection(page: Page) -> None:
    turns = """(...turns) => {
      last().open();
      last().receive({ type: "ready" });
      for (const [id, channel, final] of turns) {
        last().receive({ type: "turn", id, channel, final });
      }
    }"""
    page.evaluate(f"({turns})([1, 1, true], [1, 2, true], [2, 1, false], [2, 1, true])")
    page.evaluate("last().lose()")
    page.evaluate("until(() => sockets.length === 2)")
    page.evaluate(f"({turns})([1, 1, false], [1, 1, true], [1, 2, true])")
    assert [r["event"]["id"] for r in emitted(page, "result")] == [1, 1, 2, 2, 3, 3, 2]


def test_interleaved_channels_take_no_longer(page: Page) -> None:
    page.evaluate("""async () => {
      const { SerClient } = await import("/static/ser-client.js");
      const config = { sample_rate: 1000, channels: 2, channel: "split" };
      window.client = new SerClient("ws://nowhere/", { config, WebSocket });
      client.connect();
      give(500);
    }""")
    assert page.evaluate("client.given_s") == 0.25


def test_an_error_that_cannot_pass_ends_it(page: Page) -> None:
    page.evaluate("""() => {
      last().open();
      last().receive({ type: "ready" });
      last().receive({ type: "error", code: "model_failed", message: "no", fatal: true });
      last().lose();
    }""")
    page.evaluate("until(() => client.state === 'closed')")
    assert [failure["code"] for failure in emitted(page, "failure")] == ["model_failed"]


def test_finish_waits_for_the_last_results(page: Page) -> None:
    page.evaluate("() => { last().open(); last().receive({ type: 'ready' }); give(500) }")
    page.evaluate("() => { window.done = client.finish() }")
    assert page.evaluate("last().sent.at(-1)") == {"type": "close"}
    page.evaluate("() => { last().receive({ type: 'emotion', end: 0.5 }); last().lose() }")
    page.evaluate("done")
    assert len(emitted(page, "result")) == 1
    assert emitted(page, "state")[-1] == "closed"
    assert emitted(page, "failure") == []
