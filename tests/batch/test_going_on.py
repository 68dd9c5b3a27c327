"""A run that goes on with an output: what it may change, and what the summary says meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ser_rt.batch.output import Output
from tests.batch.conftest import Run, files_of


def die(*_: object, **__: object) -> None:
    """End a run as a kill does: nothing is written after it."""
    msg = "killed"
    raise SystemError(msg)


def summary_of(out: Path) -> dict[str, Any] | None:
    path = out / "summary.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    (tmp_path / "bad.wav").write_text("no audio")
    return tmp_path / "bad.wav"


@pytest.mark.parametrize(("method", "flags"), [("add", []), ("_put_set", ["--retry-errors"])])
def test_no_summary_outlives_the_beginning_of_another_run(
    run: Run,
    corpus: Path,
    bad: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    flags: list[str],
) -> None:
    out, more = tmp_path / "out", corpus if method == "add" else corpus / "1.wav"
    run(corpus / "1.wav", bad, "--out", out)
    summary = summary_of(out)
    assert summary is not None
    assert summary["complete"]
    monkeypatch.setattr(Output, method, die)
    with pytest.raises(SystemError):
        run(more, bad, "--out", out, *flags)
    assert summary_of(out) is None


def test_a_summary_stays_if_nothing_is_left_to_do(
    run: Run, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(corpus / "1.wav", "--out", out)
    with monkeypatch.context() as patched:
        patched.setattr("ser_rt.batch.run.write_json", die)
        with pytest.raises(SystemError):
            run(corpus / "1.wav", "--out", out, "--retry-errors")
    assert summary_of(out) is not None


def test_errors_of_files_that_a_run_does_not_name_stay(
    run: Run, corpus: Path, bad: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "out", tmp_path / "other.wav"
    other.write_text("no audio")
    run(corpus / "1.wav", bad, other, "--out", out)
    other.write_bytes((corpus / "2.wav").read_bytes())
    assert run(corpus / "3.wav", other, "--out", out, "--retry-errors")[0] == 0
    rows = files_of(out)
    assert {name: row["error_code"] for name, row in rows.items()} == {
        "1.wav": None,
        "3.wav": None,
        "bad.wav": "unreadable",
        "other.wav": None,
    }
    summary = summary_of(out)
    assert summary is not None
    assert summary["errors"] == {"unreadable": 1}


def test_the_order_of_inputs_makes_no_difference(run: Run, corpus: Path, tmp_path: Path) -> None:
    one, two, out = tmp_path / "one.csv", tmp_path / "two.csv", tmp_path / "out"
    one.write_text(f"speaker,file_path\nanna,{corpus}/1.wav\n")
    two.write_text(f"file_path,age\n{corpus}/2.wav,30\n")
    assert run(one, two, "--out", out)[0] == 0
    assert run(corpus, two, one, "--out", out)[0] == 0
    rows = files_of(out)
    values = {name: (row["manifest_speaker"], row["manifest_age"]) for name, row in rows.items()}
    assert values.pop("1.wav") == ("anna", None)
    assert values.pop("2.wav") == (None, "30")
    assert set(values.values()) == {(None, None)}
