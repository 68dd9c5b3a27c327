import argparse
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from rich.console import Console

from ser_rt.audio.chunk import AudioChunk
from ser_rt.cli.columns import display_width
from ser_rt.commands import build
from ser_rt.constants import EMOTIONS
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.event import EmotionEvent, NoSpeechEvent, WarningEvent
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.sinks.live_ui import LiveUi
from ser_rt.runtime.sinks.palette import tone_of
from ser_rt.runtime.sinks.terminal import stopped_with_the_program
from ser_rt.runtime.statistics import StreamStatistics
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, make_wave

LABELS = ("Neutral", "Angry", "Joy")


class Screen:
    """A display that draws on a string."""

    def __init__(
        self,
        width: int = 80,
        height: int = 24,
        labels: Sequence[str] = LABELS,
        color: Literal["truecolor"] | None = None,
        **settings: Any,
    ) -> None:
        self.now_s = 0.0
        self.text = io.StringIO()
        self.console = Console(
            file=self.text, width=width, height=height, force_terminal=True, color_system=color
        )
        self.ui = LiveUi(labels, RATE, console=self.console, clock=lambda: self.now_s, **settings)

    def result(self, end: float, emotion: str | None = "Joy", share: float = 0.75) -> None:
        window: dict[str, Any] = {"seq": 0, "start": max(0.0, end - 3), "end": end, "speech": 0.9}
        window["latency_ms"] = {"total": 12.0, "other": 12.0}
        if emotion is None:
            self.ui.write(NoSpeechEvent(**window))
            return
        probabilities = {"Neutral": (1 - share) / 2, "Angry": (1 - share) / 2, "Joy": share}
        self.ui.write(
            EmotionEvent(emotion=emotion, confidence=share, probabilities=probabilities, **window)
        )

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
    assert any("·" in line and "★" in line for line in lines)


FIFTEEN = tuple(EMOTIONS)


@pytest.mark.parametrize("labels", [LABELS, FIFTEEN])
@pytest.mark.parametrize("height", [4, 7, 10, 24, 40])
@pytest.mark.parametrize("width", [30, 44, 80, 120])
def test_what_has_no_room_is_left_out_and_never_the_answer_or_a_fault(
    width: int, height: int, labels: tuple[str, ...]
) -> None:
    screen = Screen(width, height, labels)
    for i in range(188):
        screen.result(1 + i / 2)
    screen.ui.write(WarningEvent(seq=0, start=1, end=1, code="clipping", message="too loud by far"))
    lines = screen.lines()
    assert len(lines) <= height
    assert max(display_width(line) for line in lines) <= width
    assert any("Joy" in line and "75%" in line for line in lines[:3])
    assert "loud" in " ".join(lines[:5])
    assert height < 7 or any("█" in line and "Joy" not in line for line in lines)


def test_the_answer_is_as_long_as_it_is_sure() -> None:
    def reach(share: float) -> int:
        screen = Screen(color="truecolor")
        screen.result(1.0, share=share)
        filled = screen.lines()[0]
        assert filled.startswith("\x1b[")
        return filled.count(" ")

    assert reach(0.9) > 2 * reach(0.4)
    screen = Screen()
    screen.result(1.0, share=0.4)
    assert "perhaps" in screen.lines()[1]


def test_of_fifteen_the_likeliest_are_shown_and_the_rest_together() -> None:
    screen = Screen(labels=FIFTEEN)
    shares = dict.fromkeys(FIFTEEN, 0.01) | {"Shy": 0.5, "Doubt": 0.2, "Kind": 0.19}
    screen.ui.write(
        EmotionEvent(
            seq=0,
            start=0,
            end=3,
            emotion="Shy",
            confidence=0.5,
            probabilities=shares,
            speech=0.9,
            partial=False,
        )
    )
    lines = screen.lines()
    for name in ("Shy", "Doubt", "Kind"):
        assert any(f" {name} " in line for line in lines)
    assert sum(line[0] != " " and "0 others" not in line for line in lines[4:9]) == 5
    assert any("10 others" in line and "10%" in line for line in lines)


def test_every_emotion_has_a_mark_and_a_colour_of_its_own_that_all_can_read() -> None:
    tones = [tone_of(name) for name in FIFTEEN]
    assert len({tone.mark for tone in tones}) == len({tone.color for tone in tones}) == 15
    for tone in tones:
        assert display_width(tone.mark) == 1
        for paper in (0.0, 1.0):
            light, dark = sorted((luminance(tone.color), paper), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 3


def luminance(color: str) -> float:
    """Relative luminance (WCAG 2)."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_nothing_has_a_background_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(color="truecolor")
    screen.result(1.0)
    assert not re.search(r"\x1b\[[\d;]*(?<!\d)48;", "".join(screen.lines()))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Screen(color="truecolor")
    plain.result(1.0)
    text = "".join(plain.lines())
    assert "Joy" in text
    assert "38;2" not in text
    assert "\x1b[1;7m" in text


def test_before_the_first_event_it_says_listening() -> None:
    assert "listening" in Screen().lines()[0]


def test_the_meter_and_the_light_follow_the_audio() -> None:
    screen, engine = Screen(), make_engine(FakeClassifier(), StreamSettings(vad=False))
    tap = screen.ui.meter(engine)
    assert any("quiet" in line for line in screen.lines())
    chunk = AudioChunk(make_wave(1), 0, 0.0)
    list(engine.feed(chunk))
    tap(chunk)
    assert any("speech 100%" in line for line in screen.lines())
    assert not any("-60 dB" in line for line in screen.lines())
    screen.now_s = 5
    assert not any("speech 100%" in line for line in screen.lines()), "it is frozen"
    assert any("no sound arrives" in line for line in screen.lines())


def test_a_warning_is_in_sight_for_a_while_and_whole() -> None:
    screen = Screen(80)
    message = "words " * 25
    screen.ui.write(WarningEvent(seq=0, start=1, end=1, code="clipping", message=message))
    assert " ".join(screen.lines()).count("words") == 25
    screen.now_s = 60
    assert "all well" in screen.lines()[-1]


def test_a_lost_device_is_in_sight_until_it_is_back() -> None:
    screen = Screen(120)
    screen.result(1.0)
    screen.ui.write(
        WarningEvent(seq=0, start=1, end=1, code="device_lost", message="it has stopped")
    )
    screen.now_s = 600
    assert "no sound arrives" in screen.lines()[0]
    assert "it has stopped" in screen.lines()[1]
    screen.ui.write(WarningEvent(seq=0, start=9, end=9, code="device_back", message="it is back"))
    screen.result(9.5)
    assert "Joy" in screen.lines()[1]
    assert "it is back" in screen.lines()[3]


def test_what_others_print_comes_after_the_picture(capfd: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    with screen.ui:
        sys.stderr.write("a message\n")
        assert any("a message" in line for line in screen.lines())
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "a message\n"


@pytest.mark.skipif(not hasattr(signal, "SIGTSTP"), reason="no job control")
def test_the_terminal_is_given_back_while_the_program_is_stopped() -> None:
    done: list[str] = []
    stopped = threading.Event()

    def kill_in_fact(*_: int) -> None:
        done.append("stopped")
        stopped.set()

    with stopped_with_the_program(lambda: done.append("stop"), lambda: done.append("start")):
        kill = os.kill
        try:
            # As if it were stopped and went on at once.
            os.kill = kill_in_fact
            kill(os.getpid(), signal.SIGTSTP)
            stopped.wait(5)
        finally:
            os.kill = kill
    assert done == ["stop", "stopped", "start"]
    assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL


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
FLAGS["output"] = None


@pytest.mark.parametrize(
    ("changes", "environment", "columns", "is_live"),
    [
        ({}, {}, 80, True),
        ({"mic": False, "files": ["http://x"]}, {}, 80, True),
        ({"mic": False, "files": ["a.wav"]}, {}, 80, False),
        ({"mic": False, "files": ["a.wav"], "ui": "live"}, {}, 80, True),
        ({"ui": "plain"}, {}, 80, False),
        ({"format": "jsonl"}, {}, 80, False),
        ({"format": "jsonl", "output": Path("a.jsonl")}, {}, 80, True),
        ({}, {}, 29, False),
        ({}, {"NO_COLOR": "1"}, 80, True),
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
