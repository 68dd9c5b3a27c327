"""A session on a GPU, tried out on the CPU: steps, failures, going on, the kit, the tables."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ser_rt.benchmarks.__main__ import main as bench
from ser_rt.benchmarks.gpu import kit as gpu_kit
from ser_rt.benchmarks.gpu import session as gpu_session
from ser_rt.benchmarks.gpu.session import main
from ser_rt.benchmarks.gpu.steps import SCALES, STEPS, Context, GpuStep
from ser_rt.benchmarks.gpu.tables import PLACES, regions
from tests.support.programs import needs
from tests.support.source_tree import ROOT

RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*-gpu-session-*.json"))


def session(work: Path, *argv: str) -> tuple[int, dict[str, Any]]:
    where = ["--work", str(work), "--device", "cpu", "--scale", "tiny"]
    code = main([*where, *argv])
    found: dict[str, Any] = json.loads((work / "RESULT.json").read_text(encoding="utf-8"))
    return code, found["steps"]


def test_a_step_that_fails_costs_itself_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a network there is nothing to compare; the session goes on to the next step."""
    code, steps = session(tmp_path, "--steps", "precision", "environment")
    assert code == 1
    assert "no model bundle" in steps["precision"]["problem"]
    assert "CPUExecutionProvider" in steps["environment"]["providers"]
    capsys.readouterr()
    code, again = session(tmp_path, "--steps", "precision", "environment", "--commit", "abc")
    assert "environment: done before" in capsys.readouterr().err
    assert again["environment"] == steps["environment"]
    assert json.loads((tmp_path / "RESULT.json").read_text())["commit"] == "abc"


def test_a_step_is_stopped_at_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_session, "LEAST_S", 0.0)
    monkeypatch.setitem(STEPS, "network", GpuStep(STEPS["network"].do, 0.2))
    code, steps = session(tmp_path, "--steps", "network")
    assert code == 1
    assert "was stopped" in steps["network"]["problem"]


def test_no_step_is_begun_without_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_session, "LEAST_S", 1e9)
    code, steps = session(tmp_path, "--steps", "network")
    assert (code, steps) == (1, {})
    assert "network: no time is left" in capsys.readouterr().err


def test_the_full_size_is_for_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--work", str(tmp_path), "--device", "cpu"]) == 2
    assert "--scale tiny" in capsys.readouterr().err


def test_the_limits_leave_a_session_within_its_time() -> None:
    assert all(step.limit_s <= 360 for step in STEPS.values())
    assert SCALES["full"].encoder == {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_session_runs(tmp_path: Path) -> None:
    code, steps = session(tmp_path, "--minutes", "28")
    problems = {name: step["problem"] for name, step in steps.items() if step["problem"]}
    assert set(problems) <= {"tests"}, problems  # they want a GPU
    assert code == 1
    assert steps.keys() == STEPS.keys()
    assert {row["problem"] for row in steps["latency"]["rows"]} <= {""} | {
        row["problem"] for row in steps["latency"]["rows"] if "CUDA graphs" in row["label"]
    }
    assert all(row["windows_per_s"] > 0 for row in steps["batches"]["rows"])
    assert steps["recipe"]["history"]["train_loss"]


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("thing/__init__.py", "SIZE = 3\n")
        wheel.writestr("thing/data.bin", bytes(range(256)) * 64)
    return folder


@needs("xz")
def test_a_kit_is_joined_where_it_arrives(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout")
    monkeypatch.setattr(gpu_kit, "MOST_BYTES", 200)
    kit, there = tmp_path / "kit", tmp_path / "there"
    assert main(["--pack", str(kit), "--wheels", str(wheels)]) == 0
    parts = sorted(kit.glob("packages.tar.xz.*"))
    assert len(parts) > 1
    assert all(part.stat().st_size <= 200 for part in parts)
    join = ["sh", str(kit / "join.sh"), str(there)]
    done = subprocess.run(join, capture_output=True, text=True, check=True)
    assert "python3 -m ser_rt.benchmarks.gpu.session --commit" in done.stdout
    assert (there / "ser_rt/benchmarks/gpu/session.py").is_file()
    assert (there / "packages" / "thing" / "data.bin").read_bytes() == bytes(range(256)) * 64
    assert (there / "pyproject.toml").is_file()
    begin = done.stdout.strip().replace("python3", sys.executable)
    begin += " --steps environment --device cpu --scale tiny --work work"
    subprocess.run(["sh", "-c", begin], capture_output=True, text=True, check=True)
    found = json.loads((there / "work/RESULT.json").read_text(encoding="utf-8"))
    assert found["steps"]["environment"]["ok"]
    assert found["commit"] in begin
    parts[0].write_bytes(b"broken" + parts[0].read_bytes()[6:])
    assert subprocess.run(join, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["--pack", "full"], "empty"),
        (["--pack", "kit", "--wheels", "none"], "wheels"),
        (["--wheels", "none"], "--pack"),
    ],
)
def test_a_kit_that_cannot_be_packed_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    word: str,
) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert main(argv) in (1, 2)
    error = capsys.readouterr().err
    assert word in error
    assert "Traceback" not in error


def test_steps_keep_their_caches_in_the_sessions_folder(tmp_path: Path) -> None:
    environment = Context(tmp_path, "cpu", SCALES["tiny"]).environment()
    assert environment["SER_RT_CACHE"].startswith(str(tmp_path))
    assert environment["PYTHONPATH"].startswith(str(ROOT))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_result_is_laid_out(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(["report", str(path)]) == 0
    printed = capsys.readouterr().out
    for title in ("What a hop costs", "Windows a second", "Live streams at once", "Training"):
        assert title in printed


@pytest.mark.skipif(not RESULTS, reason="no session was measured")
@pytest.mark.parametrize("region", PLACES)
def test_the_docs_have_the_newest_result(region: str) -> None:
    page = (ROOT / "docs" / PLACES[region][0]).read_text(encoding="utf-8")
    assert f"<!-- {region}:begin -->\n{regions()[region]}<!-- {region}:end -->" in page
