import argparse
import io
import os
from typing import Any

import pytest
from rich.console import Console

from ser_rt.audio.chunk import AudioChunk
from ser_rt.commands import build
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.event import EmotionEvent
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.sinks.live_ui import LiveUi
from ser_rt.runtime.sinks.text import display_width
from ser_rt.runtime.statistics import StreamStatistics
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, make_wave

LABELS = ("Neutral", "Angry", "Joy")


class Screen:
    """A display that draws on a string."""

    def __init__(self, width: int = 80, **settings: Any) -> None:
        self.now_s = 0.0
        self.text = io.StringIO()
        self.console = Console(file=self.text, width=width, force_terminal=True, color_system=None)
        self.ui = LiveUi(LABELS, RATE, console=self.console, clock=lambda: self.now_s, **settings)

    def result(self, end: float, emotion: str | None = "Joy", share: float = 0.75) -> None:
        others = (1 - share) / 2
        probabilities = {"Neutral": others, "Angry": others, "Joy": share} if emotion else {}
        self.ui.write(
            EmotionEvent(
                "emotion" if emotion else "no_speech", 0, max(0.0, end - 3), end, emotion,
                share if emotion else None, probabilities, 0.9, partial=False,
                latency_ms={"total": 12.0, "other": 12.0},
            )
        )  # fmt: skip

    def lines(self) -> list[str]:
        with self.console.capture() as captured:
            self.console.print(self.ui.picture())
        return captured.get().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_every_line_fits_and_everything_is_there(width: int, lang: str) -> None:
    screen = Screen(width, lang=lang)
    for i in range(188):
        screen.result(1 + i / 2, None if i % 50 > 40 else "Joy")
    lines = screen.lines()
    assert max(display_width(line) for line in lines) <= width
    assert any("기쁨" in line and "Joy" in line and "75%" in line for line in lines)
    assert any("12 ms" in line for line in lines)
    assert any("·" in line and "█" in line for line in lines)


def test_before_the_first_event_it_says_listening() -> None:
    assert "listening" in Screen().lines()[-2]


def test_the_meter_and_the_light_follow_the_audio() -> None:
    screen, engine = Screen(), make_engine(FakeClassifier(), StreamSettings(vad=False))
    tap = screen.ui.meter(engine)
    assert "quiet" in screen.lines()[0]
    chunk = AudioChunk(make_wave(1), 0, 0.0)
    list(engine.feed(chunk))
    tap(chunk)
    assert "speech 100%" in screen.lines()[0]
    assert "-60 dB" not in screen.lines()[0]


def test_a_warning_is_in_sight_for_a_while() -> None:
    screen = Screen(120)
    screen.ui.write(EmotionEvent("warning", 0, 1, 1, code="clipping", message="too loud"))
    assert "clipping: too loud" in screen.lines()[-1]
    screen.now_s = 60
    assert "all well" in screen.lines()[-1]


def test_a_lost_device_is_in_sight_until_it_is_back() -> None:
    screen = Screen(120)
    screen.ui.write(EmotionEvent("warning", 0, 1, 1, code="device_lost", message="it has stopped"))
    screen.now_s = 600
    assert "device_lost: it has stopped" in screen.lines()[-1]
    screen.ui.write(EmotionEvent("warning", 0, 9, 9, code="device_back", message="it is back"))
    assert "it is back" in screen.lines()[-1]


def test_the_end_is_the_summary() -> None:
    screen, ledger = Screen(), StreamStatistics()
    with screen.ui:
        screen.result(1.0)
        screen.ui.finish(ledger.summary())
    assert "0 windows classified" in screen.text.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


FLAGS: dict[str, Any] = {"ui": None, "format": "text", "mic": True, "realtime": False, "files": []}


@pytest.mark.parametrize(
    ("changes", "environment", "columns", "is_live"),
    [
        ({}, {}, 80, True),
        ({"mic": False, "files": ["http://x"]}, {}, 80, True),
        ({"mic": False, "files": ["a.wav"]}, {}, 80, False),
        ({"mic": False, "files": ["a.wav"], "ui": "live"}, {}, 80, True),
        ({"ui": "plain"}, {}, 80, False),
        ({"format": "jsonl"}, {}, 80, False),
        ({}, {}, 50, False),
        ({}, {"NO_COLOR": "1"}, 80, False),
        ({}, {"TERM": "dumb"}, 80, False),
    ],
)
def test_the_display_is_for_live_text_on_a_terminal_that_can(
    changes: dict[str, Any],
    environment: dict[str, str],
    columns: int,
    is_live: bool,  # noqa: FBT001 (a parameter of the test)
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    size = argparse.Namespace(columns=columns)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: size)
    flags = argparse.Namespace(**(FLAGS | changes))
    assert build.wants_live_ui(flags, Terminal()) is is_live
    assert not build.wants_live_ui(flags, io.StringIO())
