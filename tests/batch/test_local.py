"""A pool of processes classifies everything, even if some of them die."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ser_rt.batch import worker
from ser_rt.batch.classify_file import BatchConfig, FileClassifier, FileResult
from ser_rt.batch.discovery import Item
from ser_rt.batch.engines import Resources
from ser_rt.batch.local import classify_all
from ser_rt.errors import BundleInvalidError, ProviderError
from ser_rt.testing import LABELS
from tests.support.engines import Poison, PoisonOnce

TWO = Resources(workers=2)


def without_time(result: FileResult) -> tuple[object, ...]:
    return result.path, result.file | {"elapsed_s": None}, result.windows


def test_a_file_that_kills_its_process_is_a_row_and_the_run_goes_on(
    job: BatchConfig, corpus: Path, tmp_path: Path
) -> None:
    paths = [str(path) for path in sorted(corpus.iterdir())]
    poison, once = Poison("/x/poison.wav"), PoisonOnce(tmp_path / "once.wav")
    Path(once).write_bytes((corpus / "1.wav").read_bytes())
    given = [*paths[:2], poison, *paths[2:4], once, *paths[4:]]
    found = {one.path: one for one in classify_all([Item(p, 1) for p in given], job, LABELS, TWO)}
    classifier = FileClassifier(job)
    assert sorted(found) == sorted(given)
    for path in (*paths, str(once)):
        assert without_time(found[path]) == without_time(classifier.classify(path))
    assert found[poison].file["error_code"] == "worker_died"
    assert Path(once + ".died").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_file_that_stands_still_is_given_up(job: BatchConfig, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    impatient = replace(job, stall_s=0.5)
    (one,) = classify_all([Item(str(pipe), 1)], impatient, LABELS, Resources(workers=1))
    assert (one.path, one.file["error_code"]) == (str(pipe), "worker_died")


def test_processes_that_all_die_end_the_run(
    job: BatchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_DEATHS", 2)
    poison = [Item(Poison(f"/x/{number}.wav"), 1) for number in range(5)]
    running = classify_all(poison, job, LABELS, Resources(workers=1))
    assert next(running).file["error_code"] == "worker_died"
    with pytest.raises(ProviderError, match="2 files"):
        next(running)


def test_a_run_that_is_broken_off_leaves_no_process(job: BatchConfig, corpus: Path) -> None:
    running = classify_all([Item(str(p), 1) for p in corpus.iterdir()], job, LABELS, TWO)
    next(running)
    pool = [
        child
        for child in psutil.Process().children()
        if "multiprocessing.spawn" in " ".join(child.cmdline())
    ]
    assert len(pool) == 2
    running.close()
    assert not any(process.is_running() for process in pool)


def test_a_model_that_does_not_load_ends_the_run(job: BatchConfig, corpus: Path) -> None:
    bad = replace(job, model_sha256="0" * 64)
    with pytest.raises(BundleInvalidError, match="is another than"):
        list(classify_all([Item(str(corpus / "1.wav"), 1)], bad, LABELS, Resources(workers=1)))
