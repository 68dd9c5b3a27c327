"""The needs of a fleet: whole streams on whole cores, and the sums of their parts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.benchmarks.__main__ import main
from ser_rt.benchmarks.measure.fleet import FleetMeasurement, need
from tests.support.source_tree import ROOT

MEASURED = FleetMeasurement(streams_per_core=64, process_mb=100, stream_mb=0.5)
FLAGS = ["fleet", "--per-core", "64", "--process-mb", "100", "--stream-mb", "0.5"]


@given(
    streams=st.integers(1, 10**7),
    per_core=st.floats(0.01, 500),
    utilisation=st.floats(0.05, 1),
)
def test_every_stream_has_its_share_and_no_core_is_spare(
    streams: int, per_core: float, utilisation: float
) -> None:
    found = need(FleetMeasurement(per_core, 100, 0.5), streams, utilisation)
    filled = per_core * utilisation
    held = int(filled + 1e-9) if filled >= 1 else filled + 1e-9
    assert found.cores * held >= streams * (1 - 1e-9)
    assert streams > (found.cores - 1) * held * (1 - 1e-9)
    assert found.memory_gb * 1e3 == pytest.approx(100 * found.cores + 0.5 * streams)


@given(streams=st.integers(1, 10**6), more=st.integers(0, 10**6))
def test_more_streams_never_need_less(streams: int, more: int) -> None:
    few, many = need(MEASURED, streams, 0.65), need(MEASURED, streams + more, 0.65)
    assert many.cores >= few.cores
    assert many.memory_gb >= few.memory_gb
    assert many.upload_mbit_s >= few.upload_mbit_s


def test_the_arithmetic_of_a_thousand() -> None:
    found = need(MEASURED, 1000, 0.65)  # 41 of 64 on a core
    assert found.cores == 25
    assert found.memory_gb == pytest.approx(3.0)
    assert (found.upload_mbit_s, found.download_mbit_s) == (256, 8)
    assert found.core_hours() == 25 * 730


def test_a_stream_that_needs_more_than_a_core_gets_it() -> None:
    assert need(FleetMeasurement(0.5, 100, 0.5), 1000, 0.5).cores == 4000


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FLAGS, "--price", "0.04"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("| streams | cores | memory |")
    assert lines[2] == "| 1,000 | 25 | 3.0 GB | 256 Mbit/s | 8 Mbit/s | 18,250 | 730 |"
    assert lines[3].startswith("| 1,000,000 | 24,391 |")
    flags = ["--streams", "10", "--upload", "4", "--download", "2", "--utilisation", "1"]
    assert main([*FLAGS, *flags]) == 0
    assert "| 10 | 1 | 0.1 GB | 0 Mbit/s | 0 Mbit/s | 730 |" in capsys.readouterr().out


def test_the_caches_of_a_network_that_streams_count_for_each_stream(
    capsys: pytest.CaptureFixture[str], streaming_bundle: Path, tiny_bundle: Path
) -> None:
    flags = [*FLAGS, "--streams", "1000000"]
    for bundle, memory_gb in ((tiny_bundle, "2,939.1 GB"), (streaming_bundle, "2,941.5 GB")):
        assert main([*flags, "--bundle", str(bundle)]) == 0
        assert memory_gb in capsys.readouterr().out


@pytest.mark.parametrize("flag", [["--per-core", "0"], ["--price", "-1"], ["--utilisation", "2"]])
def test_a_wrong_number_is_refused(flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*FLAGS, *flag])
    assert stop.value.code == 2
    assert flag[0] in capsys.readouterr().err


def test_the_tables_of_the_guide_are_what_the_commands_print(
    capsys: pytest.CaptureFixture[str],
) -> None:
    guide = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    shown = re.findall(r"```bash\nser-bench (fleet .*)\n```\n\n((?:\|.*\n)+)", guide)
    assert len(shown) == 3
    for command, table in shown:
        assert main(shlex.split(command)) == 0
        assert capsys.readouterr().out == table
