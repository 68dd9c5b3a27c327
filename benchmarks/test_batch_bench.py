"""What a pool of processes, and Ray, make of the cores: speeds without the time to start."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile

import ser_rt
from benchmarks.figures import Figure, note
from ser_rt.batch.engines import ENGINES, Resources, find_engine
from ser_rt.batch.flags import make_parser
from ser_rt.batch.hearing import Heard, Hearer, Job
from ser_rt.batch.inputs import Item
from ser_rt.batch.local import cores
from ser_rt.batch.run import job_of
from ser_rt.bundle import Bundle, find_bundle

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

CLIPS, CLIP_S = 200, 6.0
AT_ONCE_S = 0.01
"""Results that come together were heard before the first of them came."""

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    """Pieces of the sample, each of another moment."""
    folder: Path = tmp_path_factory.mktemp("clips")
    samples, rate = soundfile.read(ser_rt.sample_path(), dtype="int16")
    length = round(CLIP_S * rate)
    found = []
    for number in range(CLIPS):
        start = number * (len(samples) - length) // CLIPS
        path = folder / f"{number:03}.wav"
        soundfile.write(path, samples[start : start + length], rate)
        found.append(Item(str(path), path.stat().st_size))
    return found


@pytest.fixture(scope="module")
def job() -> Job:
    """Default settings: the built-in model, windows of 3 s, one thread."""
    return job_of(make_parser().parse_args(["x", "--out", "x"]), Bundle.load(find_bundle()))


def speed(found: Iterable[Heard]) -> float:
    """Seconds of audio for each second, without start-up: the first tenth is not counted."""
    came = [(time.perf_counter(), heard.file["duration_s"]) for heard in found]
    began = came[len(came) // 10][0]
    counted_s = sum(duration_s for at, duration_s in came if at > began + AT_ONCE_S)
    return float(counted_s / (came[-1][0] - began))


def hear_alone(items: list[Item], job: Job) -> Generator[Heard, None, None]:
    hearer = Hearer(job)
    for item in items:
        yield hearer.hear(item.path)


def hear_with(engine: str, items: list[Item], job: Job, workers: int) -> float:
    labels = tuple(label.en for label in Bundle.load(find_bundle()).labels)
    with closing(find_engine(engine)(items, job, labels, Resources(workers))) as found:
        return speed(found)


def test_local_batch(benchmark: BenchmarkFixture, items: list[Item], job: Job) -> None:
    """In turns with one process, on which it is measured."""
    shares: list[float] = []

    def take_turns() -> None:
        alone = speed(hear_alone(items, job))
        shares.append(hear_with("local", items, job, cores()) / (alone * cores()))

    benchmark.pedantic(take_turns, rounds=3, warmup_rounds=0)
    what = f"local batch on {cores()} cores, share of one process times cores"
    note(benchmark, Figure(what, "", 0.9, at_most=False, value=sorted(shares)[len(shares) // 2]))


@pytest.mark.parametrize("workers", sorted({1, cores()}))
def test_ray_batch(benchmark: BenchmarkFixture, items: list[Item], job: Job, workers: int) -> None:
    """In turns with the local engine, on which it is measured."""
    pytest.importorskip("ray", reason="the extra cluster is not installed")
    assert "ray" in ENGINES
    shares: list[float] = []

    def take_turns() -> None:
        local = hear_with("local", items, job, workers)
        shares.append(hear_with("ray", items, job, workers) / local)

    benchmark.pedantic(take_turns, rounds=3, warmup_rounds=0)
    what = f"batch on Ray, {workers} workers, share of the local engine's speed"
    note(benchmark, Figure(what, "", 0.8, at_most=False, value=sorted(shares)[len(shares) // 2]))
