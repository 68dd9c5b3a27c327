"""Embeddings as columns, and runs that are not mixed with those without."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from tests.batch.conftest import Run


def test_windows_and_turns_have_a_column(run: Run, calls: Path, tmp_path: Path) -> None:
    bad, out = tmp_path / "none.wav", tmp_path / "out"
    bad.write_bytes(b"no audio")
    flags = (calls / "00.wav", bad, "--out", out, "--turns", "--embedding", "-q")
    assert run(*flags)[0] == 0
    for name in ("windows", "turns"):
        rows = pq.read_table(out / name).to_pylist()
        assert rows
        for row in rows:
            assert (row["embedding"] is None) == (row["emotion"] is None)
            assert len(row["embedding"] or range(4)) == 4
    assert run(*flags)[0] == 0  # nothing is left to do
    code, errors = run(calls / "00.wav", bad, "--out", out, "--turns", "-q")
    assert code == 1
    assert "embedding" in errors[-1]


def test_without_it_there_is_none(run: Run, calls: Path, tmp_path: Path) -> None:
    assert run(calls / "00.wav", "--out", tmp_path / "out", "-q")[0] == 0
    assert "embedding" not in pq.read_table(tmp_path / "out" / "windows").column_names
