"""A table of turns, and the channels of calls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from ser_rt.testing import LABELS
from tests.batch.conftest import Run, files_of
from tests.conftest import RATE, make_wave


def test_turns_have_a_table_of_their_own(run: Run, calls: Path, tmp_path: Path) -> None:
    paths = [calls / "00.wav", calls / "01.wav", tmp_path / "none.wav"]
    paths[2].write_bytes(b"no audio")
    out = tmp_path / "out"
    assert run(*paths, "--out", out, "--turns", "--longest-turn", 5, "-q")[0] == 0
    rows = pq.read_table(out / "turns").to_pylist()
    assert [(Path(r["path"]).name, r["id"], r["is_cut"]) for r in rows] == [
        (name, number, number < 3) for name in ("00.wav", "01.wav") for number in (1, 2, 3)
    ]
    assert not any(row["is_speaker_change"] for row in rows)
    first = rows[0]
    assert (first["start_s"], first["channel"]) == (0.0, None)
    assert first["speech_s"] == pytest.approx(first["end_s"])
    assert sum(first[f"p_{label}"] for label in LABELS) == pytest.approx(1, abs=1e-4)
    # Nothing is classified twice, and other settings are refused.
    assert run(*paths, "--out", out, "--turns", "--longest-turn", 5, "-q")[0] == 0
    assert pq.read_table(out / "turns").num_rows == len(rows)
    code, errors = run(*paths, "--out", out, "-q")
    assert code == 1
    assert "turns" in errors[-1]
    assert run(*paths, "--out", out, "-q", "--overwrite")[0] == 0
    assert not list((out / "turns").glob("part-*"))


def test_channels_of_calls_are_rows_apart(run: Run, tmp_path: Path) -> None:
    wave = np.stack([make_wave(3, seed=1), make_wave(3, seed=2)], axis=1)
    soundfile.write(tmp_path / "call.wav", wave, RATE)
    soundfile.write(tmp_path / "mono.wav", wave[:, 0], RATE)
    flags = ("--channels", "split", "--channel-names", "agent,customer", "--turns", "-q")
    out = tmp_path / "out"
    assert run(tmp_path / "*.wav", "--out", out, *flags)[0] == 0
    rows = pq.read_table(out / "turns").to_pylist()
    assert [(row["channel"], row["channel_name"]) for row in rows] == [
        (1, "agent"),
        (2, "customer"),
    ]
    mono = files_of(out)["mono.wav"]
    assert ("one channel" in mono["error"], mono["error_code"]) == (True, "no_channel")
    # It goes on.
    assert run(tmp_path / "*.wav", "--out", out, *flags) == (0, [])
    code, errors = run(tmp_path / "*.wav", "--out", out, *flags, "--channel-names", "a,b")
    assert (code, "channel_names" in errors[-1]) == (1, True)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--channels", "2"], "raw PCM"),
        (["--turn-pause", "0.5"], "--turns"),
        (["--channel-names", "a,b"], "split"),
    ],
)
def test_flags_of_turns_and_channels_that_make_no_sense(
    run: Run, calls: Path, tmp_path: Path, flags: list[str], words: str
) -> None:
    code, errors = run(calls / "00.wav", "--out", tmp_path / "out", *flags)
    assert code == 2
    assert words in errors[-1]
