"""What tests of the command need."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ser_rt.commands.stream import main
from tests.conftest import RATE, make_wave

Run = Callable[..., tuple[int, list[str], list[str]]]
Writer = Callable[..., Path]


@pytest.fixture
def speech(write_audio: Writer) -> Path:
    wave = make_wave(6.2)
    wave[2 * RATE : 5 * RATE + RATE // 2] = 0
    return write_audio("speech.wav", wave)


@pytest.fixture
def run(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process; return exit code, lines of events, lines of status."""

    def run_main(*flags: object, model: Path = tiny_bundle) -> tuple[int, list[str], list[str]]:
        # The waves here are noise: their level tells them from silence, no voice does.
        code = main([str(flag) for flag in ("--model", model, "--no-vad", *flags)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run_main
