"""No command ignores a flag in silence: each is refused where nothing would come of it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest

from ser_rt.cli.arguments import Parser
from ser_rt.cli.idle import given_in, refuse_idle
from ser_rt.errors import ConfigError
from tests.test_packaging import PROJECT

AUDIO = "{folder}/a.wav"
TRAIN = ("ser-train", "--data-dir", "{folder}")
TABLE = ("ser-train", "--manifest", "{folder}/clips.csv")
COMPACT = (*TRAIN, "--preset", "compact")
JUDGED = ("ser-evaluate", "--manifest", "{folder}/clips.csv")
COMPARED = ("ser-evaluate", "--compare", "{folder}")
BATCH = ("ser-batch", "{folder}", "--out", "{folder}/out")
EXPORT = ("ser-export", "{folder}", "--out", "{folder}/out")
REPORT = ("ser-report", AUDIO, "-o", "{folder}/page.html")
STREAM = ("ser-stream", AUDIO)
TUNE = ("ser-tune", "--manifest", "{folder}/clips.csv")
ZED = ("ser-evaluate", "--streams", "--zed", "{folder}/zed.json")

IDLE: list[tuple[Sequence[str], Sequence[str]]] = [
    (TRAIN, ["--hold-out", "anna"]),
    (TRAIN, ["--licence-class", "permissive"]),
    (TRAIN, ["--leave-out", "emodb"]),
    (TRAIN, ["--split", "train"]),
    (TRAIN, ["--val-split", "val"]),
    ((*TABLE, "--hold-out", "anna"), ["--val-share", "0.3"]),
    ((*TABLE, "--val-split", "val"), ["--val-share", "0.2"]),
    *((COMPACT, ["--model-name", name]) for name in ("a/b", "")),
    (COMPACT, ["--pooling", "attentive"]),
    (COMPACT, ["--num-layers", "3"]),
    (COMPACT, ["--no-freeze-feature-encoder"]),
    (TRAIN, ["--left-frames", "50"]),
    (TRAIN, ["--teacher-share", "0.5"]),
    (TRAIN, ["--embedding-weight", "1"]),
    (TRAIN, ["--focal-gamma", "2"]),
    ((*TRAIN, "--loss", "focal"), ["--logit-tau", "1"]),
    ((*TRAIN, "--val-share", "0"), ["--best-metric", "f1"]),
    ((*TRAIN, "--val-share", "0"), ["--early-stopping-patience", "3"]),
    ((*TRAIN, "--val-share", "0"), ["--allow-leaks", "audio"]),
    ((*TRAIN, "--no-data-augmentation"), ["--noise-dir", "{folder}"]),
    ((*TRAIN, "--no-data-augmentation"), ["--channel-share", "0.3"]),
    (COMPARED, ["--model-path", "base"]),
    (COMPARED, ["--provider", "cpu"]),
    (COMPARED, ["--batch-size", "4"]),
    (COMPARED, ["--sounds", "{folder}"]),
    (COMPARED, ["--no-stress"]),
    (COMPARED, ["--trim-silence"]),
    (COMPARED, ["--same-labels", "Calm=Neutral"]),
    (COMPARED, ["--split", "val"]),
    (JUDGED, ["--hop", "0.5"]),
    (JUDGED, ["--hosted", "a/b"]),
    *((JUDGED, [flag, "0"]) for flag in ("--gate-threshold", "--half-life", "--online-checks")),
    *((JUDGED, [flag]) for flag in ("--no-partial", "--no-streaming", "--no-vad")),
    (ZED, ["--seed", "0"]),
    (ZED, ["--same-labels", "Calm=Neutral"]),
    ((*JUDGED, "--streams"), ["--snr", "15"]),
    ((*JUDGED, "--streams", "--half-life", "0"), ["--weight", "2"]),
    ((*REPORT, "--no-vad"), ["--vad-threshold", "0.5"]),
    ((*REPORT, "--no-partial"), ["--min-window", "1"]),
    ((*JUDGED, "--streams"), ["--batch-size", "4"]),
    ((*JUDGED, "--streams"), ["--trim-silence"]),
    ((*JUDGED, "--streams"), ["--no-stress"]),
    ((*JUDGED, "--streams", "--no-vad"), ["--vad-threshold", "0.6"]),
    ((*JUDGED, "--streams", "--hosted", "a/b"), ["--provider", "openvino"]),
    (("ser-evaluate", "--data-dir", "{folder}"), ["--split", "val"]),
    (("ser-predict", AUDIO), ["--no-probabilities"]),
    (BATCH, ["--address", "auto"]),
    ((*BATCH, "--overwrite"), ["--retry-errors"]),
    ((*BATCH, "--no-vad"), ["--vad-pre-roll", "0"]),
    ((*BATCH, "--gate-threshold", "0"), ["--vad-threshold", "0.5"]),
    ((*BATCH, "--no-partial"), ["--min-window", "1"]),
    ((*BATCH, "--half-life", "0"), ["--neutral", "0.3"]),
    (BATCH, ["--turn-pause", "0.7"]),
    (EXPORT, ["--clips", "10"]),
    (EXPORT, ["--triton-backend", "python"]),
    (("ser-serve",), ["--max-wait-ms", "20"]),
    (TUNE, ["--calibrate", "all"]),
    (TUNE, ["--snr", "15"]),
    (STREAM, ["--device", "0"]),
    (STREAM, ["--rate", "8000"]),
    (STREAM, ["--no-reconnect"]),
    (STREAM, ["--rotate-keep", "3"]),
    (STREAM, ["--token-file", "{folder}/key"]),
    (STREAM, ["--json"]),
    ((*STREAM, "--no-partial"), ["--min-window", "1"]),
    ((*STREAM, "--half-life", "0"), ["--weight", "2"]),
    ((*STREAM, "--gate-threshold", "0"), ["--vad-threshold", "0.5"]),
    ((*STREAM, "--format", "jsonl"), ["--lang", "ko"]),
    ((*STREAM, "--format", "csv"), ["--stats"]),
    ((*STREAM, "--format", "csv"), ["--ui", "live"]),
    ((*STREAM, "--format", "srt"), ["--top-k", "2"]),
    ((*STREAM, "--format", "srt"), ["--episodes"]),
    ((*STREAM, "--format", "rttm"), ["--no-timing"]),
    (("ser-stream", "--mic"), ["--fast"]),
    (("ser-stream", "--mic"), ["--track", "1"]),
    (("ser-stream", "--mic", "--server", "ws://x/"), ["--threads", "2"]),
    (("ser-bench", "streams", "--find-max-streams"), ["--rounds", "2"]),
    (("ser-bench", "streams"), ["--limit", "8"]),
    (("ser-bench", "agreement", "--bundle", "a", "b"), ["--split", "val"]),
    (("ser-bench", "quality", "{folder}"), ["--labels", "happy=Joy"]),
]


@pytest.mark.parametrize(
    ("command", "flags"), IDLE, ids=[f"{' '.join(c)} {' '.join(f)}" for c, f in IDLE]
)
def test_a_flag_that_would_do_nothing_is_refused(
    command: Sequence[str],
    flags: Sequence[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Joy").mkdir()
    (tmp_path / "Joy" / "a.wav").touch()
    (tmp_path / "clips.csv").write_text("file_path,emotion,speaker,split\nJoy/a.wav,Joy,anna,val\n")
    name, *words = [word.format(folder=tmp_path) for word in (*command, *flags)]
    module, function = PROJECT["scripts"][name].split(":")
    try:
        code = getattr(import_module(module), function)(words)
    except SystemExit as stop:  # of argparse
        code = stop.code
    assert code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert flags[0].replace("--no-", "--") in last.replace("--no-", "--")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--data-dir", "x", "y"], {"data_dir"}),
        (["--data_dir=x"], {"data_dir"}),
        (["-o", "x", "--", "--data-dir"], {"output"}),
        (["-ox"], {"output"}),
        (["--dat", "x"], {"data_dir"}),
        (["--no-partial"], {"partial"}),
        (["x"], set()),
    ],
)
def test_a_given_flag_is_found_however_it_is_written(words: list[str], found: set[str]) -> None:
    parser = Parser()
    parser.add_argument("--data-dir")
    parser.add_argument("--output", "-o")
    parser.add_argument("--no-partial", dest="partial", action="store_false")
    assert given_in(parser, words) == found


def test_only_what_is_given_is_refused() -> None:
    rules = [(False, "split", "needs --manifest"), (True, "hold_out", "never")]
    refuse_idle({"hold_out"}, rules)
    with pytest.raises(ConfigError, match="--split needs --manifest"):
        refuse_idle({"split"}, rules)
