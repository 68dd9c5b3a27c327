from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_rt.benchmarks.measure import compare
from ser_rt.benchmarks.measure.compare import BLOCKS, compare_ratios
from tests.support.documents import STAMP

SUITE = """
import time, pytest
from ser_rt.benchmarks.suites.conftest import hot
pytestmark = pytest.mark.benchmark(timer=time.process_time)

def test_path(hot):
    hot(lambda: sum(range({size})), "interpret")
"""


def blocks(middle: float, noise: float, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    values: list[float] = (middle * np.exp(noise * rng.standard_normal(BLOCKS))).tolist()
    return values


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.4])
def test_the_same_code_never_looks_slower_and_what_is_beyond_noise_does(noise: float) -> None:
    for seed in range(50):
        before = {"path": blocks(2.0, noise, seed)}
        (same,) = compare_ratios({"path": blocks(2.0, noise, 1000 + seed)}, before, margin=0.15)
        assert not same.is_slower
        slow = blocks(2.6 * np.exp(4 * noise), noise, 2000 + seed)
        (slower,) = compare_ratios({"path": slow}, before, margin=0.15)
        assert slower.is_slower


def test_a_new_path_has_nothing_to_be_slower_than() -> None:
    (found,) = compare_ratios({"path": [1.0] * BLOCKS}, {}, margin=0.15)
    assert found.change is None
    assert not found.is_slower


def test_the_command_fails_where_a_path_does_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # it measures in a process of its own
    suite, baseline = tmp_path / "test_suite_bench.py", str(tmp_path / "baseline.json")
    suite.write_text(SUITE.format(size=5_000))
    flags = ["--suite", str(suite), "--baseline", baseline]
    assert compare.main([*flags, "--save"]) == 0
    suite.write_text(SUITE.format(size=50_000))
    assert compare.main([*flags, "--tries", "1"]) == 1


def test_a_path_is_slower_only_if_it_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter((2.0, 1.0))

    def measure(*_: object) -> dict[str, Any]:
        ratios = [next(measured)] * BLOCKS
        entry = {"name": "path", "extra_info": {"hot_path": {"ratios": ratios}}}
        return {"benchmarks": [entry], "machine_info": {"ser_rt": STAMP}}

    monkeypatch.setattr(compare, "measure", measure)
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps({"measured": STAMP, "ratios": {"path": [1.0] * BLOCKS}}))
    assert compare.main(["--baseline", str(baseline), "--tries", "2"]) == 0


def test_a_baseline_of_another_processor_has_a_wider_margin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"name": "path", "extra_info": {"hot_path": {"ratios": [1.4] * BLOCKS}}}
    results = {"benchmarks": [entry], "machine_info": {"ser_rt": STAMP}}
    monkeypatch.setattr(compare, "measure", lambda *_: results)
    baseline = tmp_path / "baseline.json"
    before: dict[str, Any] = {"measured": STAMP, "ratios": {"path": [1.0] * BLOCKS}}
    baseline.write_text(json.dumps(before))
    assert compare.main(["--baseline", str(baseline)]) == 1
    before["measured"] = {"machine": STAMP["machine"] | {"instructions": ["another"]}}
    baseline.write_text(json.dumps(before))
    assert compare.main(["--baseline", str(baseline)]) == 0
    before["measured"] = {"machine": STAMP["machine"] | {"cpu": "Another"}}
    baseline.write_text(json.dumps(before))
    assert compare.main(["--baseline", str(baseline)]) == 0


def test_what_is_no_baseline_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text("{}")
    assert compare.main(["--baseline", str(tmp_path / "x.json")]) == 1
    assert "--save" in capsys.readouterr().err


def test_the_committed_baseline_is_one() -> None:
    assert compare.load(compare.BASELINE)["ratios"]
