"""Speed of a pool of processes, and of Ray, without the time to start.

pytest benchmarks/suites/test_batch_bench.py --benchmark-enable --benchmark-only -s   # 3 minutes
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest
import soundfile

import ser_rt
from ser_rt.batch.classify_file import BatchConfig, FileClassifier, FileResult
from ser_rt.batch.discovery import Item
from ser_rt.batch.engines import ENGINES, Resources, find_engine
from ser_rt.batch.flags import make_parser
from ser_rt.batch.local import cores
from ser_rt.batch.run import job_of
from ser_rt.benchmarks.report.targets import Figure, note
from ser_rt.bundle import Bundle, find_bundle
from ser_rt.tables import Table, text_table

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

CLIPS, CLIP_S, ROUNDS = 150, 6.0, 3
AT_ONCE_S = 0.01
"""Results that arrive this close together were computed before the first arrived."""

WORKERS = sorted({1, cores()})
FLOORS = {"local": 90, "ray": 80}
"""Per cent: of one process times cores, and of the local engine on as many."""

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.timeout(900),
]

Speeds = dict[tuple[str, int], list[float]]


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


def speed(found: Iterable[FileResult]) -> float:
    """Seconds of audio for each second, from when the first file was begun to the last result.

    Workers that begin later than the first are not excused.
    """
    came = [
        (time.perf_counter(), float(result.file["duration_s"]), float(result.file["elapsed_s"]))
        for result in found
    ]
    began = last = came[0][0]
    for at, _, elapsed_s in came:
        if at > last + AT_ONCE_S:
            break
        began, last = began - elapsed_s, at
    return sum(duration_s for _, duration_s, _ in came) / (came[-1][0] - began)


def classify_alone(items: list[Item], job: BatchConfig) -> Generator[FileResult, None, None]:
    classifier = FileClassifier(job)
    for item in items:
        yield classifier.classify(item.path)


@pytest.fixture(scope="module")
def speeds(items: list[Item]) -> Iterator[Speeds]:
    """Of one process alone (``alone``, 1) and of each engine and number of workers, in turns.

    Default settings: the built-in model, windows of 3 s, one thread.
    """
    bundle = Bundle.load(find_bundle())
    job = job_of(make_parser().parse_args(["x", "--out", "x"]), bundle)
    labels = tuple(label.en for label in bundle.labels)
    engines = [name for name in ENGINES if name != "ray" or find_spec("ray")]
    turns = [("alone", 1), *((engine, workers) for workers in WORKERS for engine in engines)]
    found: Speeds = {turn: [] for turn in turns}
    for _ in range(ROUNDS):
        for engine, workers in turns:
            results = (
                classify_alone(items, job)
                if engine == "alone"
                else find_engine(engine)(items, job, labels, Resources(workers))
            )
            with closing(results):
                found[engine, workers].append(speed(results))
    yield found
    rows = [
        (engine, str(workers), *(f"{value:.0f}" for value in values), f"{median(values):.0f}")
        for (engine, workers), values in found.items()
    ]
    head = ("engine", "workers", *(f"round {n + 1}" for n in range(ROUNDS)), "median")
    print(f"\n{text_table(Table('Times real time', head, rows))}")


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("engine", ENGINES)
def test_batch(benchmark: BenchmarkFixture, speeds: Speeds, engine: str, workers: int) -> None:
    """Against what it is to come close to, round by round."""
    if (engine, workers) not in speeds:
        pytest.skip("the extra cluster is not installed")
    beside, of = (
        (("alone", 1), "one process") if engine == "local" else (("local", workers), "local")
    )
    times = workers if engine == "local" else 1
    shares = [
        100 * ours / (times * theirs)
        for ours, theirs in zip(speeds[engine, workers], speeds[beside], strict=True)
    ]
    # The fixture has measured; what is timed here is nothing.
    benchmark.pedantic(list, rounds=1)
    what = f"`ser-batch --engine {engine} --workers {workers}`, speed per worker of that of {of}"
    note(benchmark, Figure(what, "%", FLOORS[engine], at_most=False, value=median(shares)))
