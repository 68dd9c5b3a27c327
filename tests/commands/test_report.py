"""``ser-report``, and ``ser-stream --session-report``."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_rt.commands.report import main
from tests.commands.test_stream_signals import command
from tests.conftest import RATE, Run, Writer, make_wave
from tests.support.recordings import by_ffmpeg

Report = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def report(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> Report:
    """Run ser-report in this process; return exit code and lines of status."""

    def run_main(*flags: object) -> tuple[int, list[str]]:
        code = main([str(flag) for flag in ("--model", tiny_bundle, "--no-vad", *flags)])
        out, err = capsys.readouterr()
        assert out == ""
        return code, err.splitlines()

    return run_main


def test_a_recording_becomes_a_page_that_plays_it(
    report: Report, speech: Path, tmp_path: Path
) -> None:
    page = tmp_path / "out" / "speech.html"
    code, err = report(speech, "-o", page)
    assert code == 0
    assert re.fullmatch(r"speech\.wav: \w+ \d+ %(; strongest moment .*)?", err[-1])
    html = page.read_text()
    assert 'src="../speech.wav"' in html
    assert len(re.findall(r"<tr class", html)) == 2  # it is silent in between
    assert report(speech, "-o", page, "-q") == (0, [])
    assert report(speech, "-o", page)[1][0].endswith("is replaced")


def test_each_channel_has_a_line(report: Report, write_audio: Writer, tmp_path: Path) -> None:
    wave = np.stack([make_wave(6.0), make_wave(6.0, seed=1)], axis=1)
    call, page = write_audio("call.wav", wave), tmp_path / "call.html"
    assert report(call, "-o", page, "--channel", "all")[0] == 0
    html = page.read_text()
    assert html.count('class="strip"') == 2
    assert "Channel 2" in html
    names = ("--channels", "split", "--channel-names", "agent,customer")
    assert report(call, "-o", page, *names)[0] == 0
    assert '<p class="who">customer</p>' in page.read_text()


def test_embedded_sound_is_that_of_the_recording(
    report: Report, speech: Path, tmp_path: Path
) -> None:
    page = tmp_path / "speech.html"
    assert report(speech, "-o", page, "--embed-audio")[0] == 0
    (sound,) = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', page.read_text())
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sound)))
    assert len(samples) / rate == pytest.approx(6.2, abs=0.15)
    assert np.abs(samples[3 * RATE : 5 * RATE]).max() < 0.01 < np.abs(samples[: 2 * RATE]).max()


def test_the_sound_of_a_video_is_enough(report: Report, tmp_path: Path) -> None:
    video = tmp_path / "clip.mp4"
    video.write_bytes(by_ffmpeg("mp4", "aac"))
    assert report(video, "-o", tmp_path / "clip.html")[0] == 0


def test_many_become_an_index_and_a_bad_one_is_a_row(
    report: Report, speech: Path, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    (calls / "more").mkdir(parents=True)
    shutil.copy(speech, calls / "a.wav")
    shutil.copy(speech, calls / "more" / "a.wav")
    shutil.copy(speech, calls / "index.wav")
    (calls / "broken.wav").write_bytes(b"RIFF")
    out = tmp_path / "reports"
    code, err = report(calls, "-o", out)
    assert code == 1
    assert any("broken.wav" in line for line in err)
    assert {p.name for p in out.iterdir()} == {
        *("index.html", "a.html", "a-2.html", "index-2.html")
    }
    html = (out / "index.html").read_text()
    assert html.count("<tr>") == 1 + 3
    assert "Not classified" in html
    assert 'href="index.html"' in (out / "a.html").read_text()
    assert report(speech, "-o", out)[0] == 0  # into a folder, be it one alone
    assert (out / "speech.html").exists()


def test_pictures_lie_beside_pages_if_asked(report: Report, speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "reports"
    assert report(speech, speech, "-o", out, "--png", "-q")[0] == 0
    assert report(speech, "-o", tmp_path / "one.html", "--png", "-q")[0] == 0
    pictures = [out / "speech.png", out / "speech-2.png", tmp_path / "one.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert (out / "speech-2.html").exists()


def test_a_recording_that_breaks_off_has_a_report_of_what_there_is(
    report: Report, speech: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(speech.read_bytes()[: 44 + 2 * RATE * 4])
    code, err = report(cut, "-o", tmp_path / "cut.html")
    assert code == 1
    assert "4.0" in err[0]
    assert "could not be read to its end" in (tmp_path / "cut.html").read_text()


def test_silence_has_a_report_that_says_so(
    report: Report, write_audio: Writer, tmp_path: Path
) -> None:
    silence = write_audio("silence.wav", np.zeros(3 * RATE, np.float32))
    assert report(silence, "-o", tmp_path / "x.html") == (0, ["silence.wav: No speech"])
    assert report(silence, "-o", tmp_path / "x.png", "-q") == (0, [])
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_is_written_where_there_is_nothing_to_tell(
    report: Report, write_audio: Writer, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("older")
    for bad in (write_audio("empty.wav", np.zeros(0, np.float32)), tmp_path / "absent.wav"):
        code, err = report(bad, "-o", page)
        assert (code, len(err)) == (1, 1)
        assert bad.name in err[0]
    assert page.read_text() == "older"


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["SPEECH", "-o", "x.pdf"], 2, "must end in one of .html, .htm, .png"),
        (["SPEECH", "SPEECH", "-o", "x.html"], 2, "name a folder for 2 recordings"),
        (["SPEECH", "-o", "SPEECH"], 2, "no name of a report"),
        (["SPEECH", "-o", "x.png", "--embed-audio"], 2, "a picture makes no sound"),
        (["-", "-o", "x.html"], 2, "--session-report"),
        (["rtsp://example.org/a", "-o", "x.html"], 2, "--session-report"),
        (["SPEECH", "-o", "x.png", "--png"], 2, "the picture is beside it"),
        (["EMPTY", "-o", "reports"], 2, "no audio files under"),
        (["SPEECH", "-o", "SPEECH/x.html"], 1, "is no folder"),
        (["SPEECH", "-o", "x.html", "--channel", "7"], 1, "7"),
        (["SPEECH", "-o", "x.html", "--channels", "2"], 2, "raw PCM"),
        (["SPEECH", "-o", "x.html", "--channel-names", "a,b"], 2, "needs --channels split"),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(
    flags: list[str],
    code: int,
    words: str,
    report: Report,
    speech: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    stands = {"SPEECH": str(speech), "EMPTY": str(tmp_path / "empty")}
    filled = [re.sub("SPEECH|EMPTY", lambda m: stands[m[0]], flag) for flag in flags]
    found, err = report(*filled)
    assert (found, len(err)) == (code, 1)
    assert words in err[0]
    assert sorted(tmp_path.iterdir()) == before


def test_a_page_may_not_replace_what_it_is_of(report: Report, speech: Path, tmp_path: Path) -> None:
    named = tmp_path / "page.html"
    os.link(speech, named)
    code, err = report(named, "-o", named)
    assert code == 2
    assert "would be overwritten" in err[0]


def test_a_picture_without_a_font_or_matplotlib_is_refused_before_the_work(
    report: Report, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ser_rt.report.figure._KOREAN_FONTS", ("No Such Font",))
    monkeypatch.setattr("ser_rt.report.gather.gather", pytest.fail)
    flags = (speech, "-o", tmp_path / "x.png")
    code, err = report(*flags, "--lang", "ko")
    assert code == 2
    assert "No Such Font" in err[0]
    monkeypatch.setitem(sys.modules, "matplotlib.font_manager", None)
    code, err = report(*flags)
    assert code == 1
    assert "ser-rt[report]" in err[0]


def test_a_stream_writes_its_report_at_its_end(run: Run, speech: Path, tmp_path: Path) -> None:
    page = tmp_path / "session.html"
    code, out, _ = run(speech, "--format=jsonl", "--session-report", page, "--lang=ko")
    events = [json.loads(line) for line in out]
    assert code == 0
    turns = [event for event in events if event["type"] == "turn"]
    html = page.read_text()
    assert len(re.findall(r"<tr class", html)) == len(turns) == 2
    assert '<html lang="ko">' in html
    assert 'src="speech.wav"' in html
    assert events[-1]["type"] == "summary"


def test_a_stream_without_audio_leaves_an_older_report(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "session.html"
    page.write_text("older")
    assert run(tmp_path / "absent.wav", "--session-report", page)[0] == 1
    assert page.read_text() == "older"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["a.wav", "b.wav", "--session-report", "x.html"], "ser-report makes an index of many"),
        (["a.wav", "--session-report", "x.doc"], "must end in"),
        (["a.wav", "--session-report", "-"], "name one"),
        (["a.wav", "--session-report", "x.html", "-o", "x.html", "--format=csv"], "are both"),
    ],
)
def test_a_session_report_that_cannot_be_is_refused(
    flags: list[str], words: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*flags)
    assert (code, out, len(err)) == (2, [], 1)
    assert words in err[0]


def test_ctrl_c_writes_the_report_of_what_was_heard(
    tiny_bundle: Path, write_audio: Writer, tmp_path: Path
) -> None:
    page, sound = tmp_path / "session.html", tmp_path / "session.flac"
    flags = ("-q", "--realtime", "--format=jsonl", "--session-report", page, "--save-input", sound)
    long = write_audio("long.wav", np.tile(make_wave(0.25), 240))
    with subprocess.Popen(
        command(tiny_bundle, long, *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(2)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"")
    html = page.read_text()
    assert html.rstrip().endswith("</html>")
    assert 'src="session.flac"' in html
    assert len(re.findall(r"<tr class", html)) == 1
