"""`ser-mcp` as agents meet it: the SDK's own client over real stdio and HTTP, and bad arguments."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import ser_rt
from ser_rt.errors import AudioError, ConfigError
from ser_rt.mcp import recordings
from ser_rt.mcp.command import main
from ser_rt.mcp.recordings import Recordings
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import RATE
from tests.support.source_tree import ROOT
from tests.support.waiting import wait_until

mcp = pytest.importorskip("mcp", reason="needs ser-rt[mcp]")

COMMAND = [sys.executable, "-c", "from ser_rt.mcp.command import main; raise SystemExit(main())"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a call of two speakers, and things that are no recordings."""
    folder = tmp_path_factory.mktemp("calls")
    speech, rate = soundfile.read(ser_rt.sample_path(), dtype="float32")
    speech = speech[: 8 * rate]
    soundfile.write(folder / "call.wav", np.stack([speech, speech[::-1]], axis=1), rate)
    soundfile.write(folder / "mono.wav", speech, rate)
    soundfile.write(folder / "empty.wav", np.zeros(0), RATE)
    soundfile.write(folder / "silence.wav", np.zeros(3 * RATE), RATE)
    (folder / "notes.txt").write_text("no audio at all")
    (folder / "inner").mkdir()
    (folder / "out.wav").symlink_to(ser_rt.sample_path())
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture
def files(root: Path, classifier: OnnxClassifier) -> Recordings:
    return Recordings(root, classifier)


def test_a_client_calls_both_tools_over_stdio(root: Path, tiny_bundle: Path) -> None:
    how = mcp.StdioServerParameters(
        command=COMMAND[0],
        args=[*COMMAND[1:], "--root", str(root), "--model", str(tiny_bundle)],
        cwd=str(ROOT),
    )

    async def talk() -> tuple[Any, Any, Any, Any]:
        async with mcp.Client(how) as client:
            return (
                await client.list_tools(),
                await client.call_tool("classify_recording", {"path": "call.wav"}),
                await client.call_tool(
                    "summarise_call", {"path": "call.wav", "speakers": ["agent", "caller"]}
                ),
                await client.call_tool("classify_recording", {"path": "../secret.wav"}),
            )

    listed, found, call, refused = asyncio.run(talk())
    assert [tool.name for tool in listed.tools] == ["classify_recording", "summarise_call"]
    assert all(tool.annotations.read_only_hint for tool in listed.tools)
    assert all(tool.output_schema for tool in listed.tools)
    whole = ser_rt.classify(root / "call.wav", model=tiny_bundle)
    assert found.structured_content["emotion"] == whole.emotion
    assert found.structured_content["confidence"] == round(whole.confidence or 0, 4)
    summary = call.structured_content
    assert [one["speaker"] for one in summary["speakers"]] == ["agent", "caller"]
    assert {turn["speaker"] for turn in summary["turns"]} <= {"agent", "caller"}
    assert summary["turns"][0]["emotion"] in [*whole.probabilities, "unsure"]
    assert refused.is_error
    assert "--root" in refused.content[0].text


@pytest.mark.slow
def test_a_client_calls_over_http(root: Path, tiny_bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    flags = ["--root", str(root), "--model", str(tiny_bundle), "--port", str(port)]

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    async def talk() -> Any:
        async with mcp.Client(f"http://127.0.0.1:{port}/mcp") as client:
            return await client.call_tool("classify_recording", {"path": "mono.wav"})

    with subprocess.Popen([*COMMAND, *flags], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: answers() or process.poll() is not None)
            answer = asyncio.run(talk())
        finally:
            process.terminate()
    assert answer.structured_content["emotion"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.wav", "does not exist"),
        ("inner", "is a folder"),
        ("", "is a folder"),
        ("pipe", "does not exist"),
        ("notes.txt", "notes.txt"),
        ("empty.wav", "no audio"),
        ("../call.wav", "not below"),
        ("/etc/passwd", "not below"),
        ("out.wav", "not below"),
        ("https://example.org/a.wav", "URL"),
        ("file:///etc/passwd", "URL"),
        ("a\0b.wav", "no name of a file"),
        ("x" * 5000, "no name of a file"),
    ],
)
@pytest.mark.parametrize("tool", [Recordings.classify, Recordings.summarise])
def test_what_is_no_recording_of_the_folder_is_refused(
    files: Recordings, tool: Callable[[Recordings, str], object], name: str, words: str
) -> None:
    with pytest.raises(AudioError, match=words):
        tool(files, name)


def test_a_recording_without_speech_has_no_emotion(files: Recordings) -> None:
    found = files.classify("silence.wav")
    assert (found.emotion, found.confidence, found.duration_s) == (None, None, 3.0)
    call = files.summarise("silence.wav")
    assert (call.turns, call.speakers[0].emotion, call.duration_s) == ([], None, 3.0)


def test_names_must_be_those_of_the_channels(files: Recordings) -> None:
    for name, speakers in (("mono.wav", ["a", "b"]), ("call.wav", ["a", "b", "c"])):
        with pytest.raises(AudioError, match="speakers"):
            files.summarise(name, speakers)
    with pytest.raises(ConfigError):
        files.summarise("call.wav", ["a", "a"])
    assert [one.speaker for one in files.summarise("call.wav").speakers] == ["1", "2"]


def test_a_summary_fits_a_context(files: Recordings, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = files.summarise("call.wav")
    monkeypatch.setattr(recordings, "MOST_TURNS", 1)
    call = files.summarise("call.wav")
    assert call.turns == whole.turns[:1]
    assert whole.turns == sorted(whole.turns, key=lambda turn: turn.start_s)
    assert call.turns_left_out == len(whole.turns) - 1


def test_a_wrong_command_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", "no/such/folder"]) == 2
    assert main(["--port", "70000"]) == 2
    assert main(["--model", "no-such-model"]) != 0
    assert len(capsys.readouterr().err.splitlines()) == 3
