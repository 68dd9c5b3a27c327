"""`ser-predict` ends at an interrupt, with what is done."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from ser_rt import inference
from ser_rt.classifier import FloatArray
from tests.support.source_tree import ROOT
from tests.support.tones import PitchClassifier, write_tone

UNGATED = ["--gate-threshold", "0"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tone(tmp_path / "a.wav", "Joy", 1.0)
    return tmp_path


def write_hours(path: Path) -> Path:
    """Write ten hours of nothing, which take no place."""
    sound = 10 * 3600 * 8000
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    head = struct.pack("<4sI4s", b"RIFF", 36 + sound, b"WAVE") + form
    with path.open("wb") as file:
        file.write(head + struct.pack("<4sI", b"data", sound))
        file.truncate(44 + sound)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_ends_it_in_the_middle_of_a_file(
    tiny_bundle: Path, folder: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "ser_rt.inference", "--model-path", str(tiny_bundle)]
    command += [str(folder / "a.wav"), str(write_hours(tmp_path / "hours.wav")), *UNGATED]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        rest, told = process.communicate(timeout=60)
    assert first.startswith(str(folder / "a.wav"))
    assert (rest, process.returncode) == ("", code)
    assert told.splitlines() == ["ser-predict: interrupted, 1 of 2 files are done"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_what_is_done_is_written_at_an_interrupt(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Interrupting(PitchClassifier):
        """Sends Ctrl-C once it has been at work for a while."""

        def __call__(self, windows: FloatArray) -> FloatArray:
            self.calls.append(windows.shape)
            if len(self.calls) == 50:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            return np.full((len(windows), len(self.labels)), 1 / len(self.labels), np.float32)

    monkeypatch.setattr(inference, "open_model", lambda *_, **__: Interrupting())
    files = [str(folder / "a.wav"), str(write_hours(tmp_path / "hours.wav"))]
    assert inference.main([*files, *UNGATED, "--output-path", str(tmp_path / "x.json")]) == 130
    assert "interrupted, 1 of 2 files" in capsys.readouterr().err
    answer = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert [each["audio_path"] for each in answer["predictions"]] == files[:1]
