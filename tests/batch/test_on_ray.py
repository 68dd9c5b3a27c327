"""The Ray engine has the results of a pool of processes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ser_rt.batch import on_ray
from ser_rt.batch.classify_file import BatchConfig
from ser_rt.batch.discovery import Item
from ser_rt.batch.engines import Resources
from ser_rt.batch.on_ray import BatchActor, classify_all
from ser_rt.cluster import ray_session
from ser_rt.errors import BundleInvalidError, ClusterError, ConfigError
from ser_rt.testing import LABELS
from tests.batch.conftest import Run, files_of, windows_of
from tests.support.engines import Poison

ray = pytest.importorskip("ray", reason="the extra cluster is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two cores of this machine, as small as Ray gets."""
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()


@pytest.mark.parametrize("address", ["127.0.0.1:{closed}", "127.0.0.1:{mute}", "nowhere.invalid:1"])
def test_an_address_that_does_not_answer_is_refused_in_time(
    job: BatchConfig, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_session, "STATUS_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        with socket.create_server(("127.0.0.1", 0)) as server:
            closed = server.getsockname()[1]
        where = address.format(closed=closed, mute=mute.getsockname()[1])
        engine = classify_all([Item("/x.wav", 1)], job, LABELS, Resources(address=where))
        with pytest.raises(ClusterError, match=where):
            next(engine)


@pytest.mark.parametrize("address", ["nowhere", "ray://head:10001x", "host:port"])
def test_an_address_that_is_none_is_a_wrong_flag(
    run: Run, corpus: Path, tmp_path: Path, address: str
) -> None:
    code, status = run(corpus, "--out", tmp_path / "o", "--engine", "ray", "--address", address)
    assert (code, "HOST:PORT" in status[-1]) == (2, True)
    with pytest.raises(ConfigError):
        ray_session.probe(address)


@pytest.mark.usefixtures("cluster")
def test_rows_are_those_of_the_local_engine(run: Run, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    code, _ = run(corpus, tmp_path / "bad.wav", "--out", tmp_path / "ray", "--engine", "ray")
    assert code == 0
    flags = ("--engine", "local", "--workers", 1)
    assert run(corpus, tmp_path / "bad.wav", "--out", tmp_path / "local", *flags)[0] == 0
    assert windows_of(tmp_path / "ray").equals(windows_of(tmp_path / "local"))
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "local")
    assert len(files_of(tmp_path / "ray")) == 8


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_model_that_does_not_load_is_said_in_our_words(job: BatchConfig, corpus: Path) -> None:
    bad = replace(job, model_sha256="0" * 64)
    with pytest.raises(BundleInvalidError, match="is another than"):
        list(classify_all([Item(str(corpus / "1.wav"), 1)], bad, LABELS, Resources()))


class _Block(dict[str, Any]):
    """A block whose path kills a process, as no Arrow string can."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(path=self)
        self.to_pylist = lambda: paths


def test_an_actor_says_what_has_nothing_to_do_with_a_file(job: BatchConfig) -> None:
    actor = BatchActor(replace(job, model_sha256="0" * 64), LABELS)
    try:
        (row,) = actor(pa.table({"path": ["/a.wav", "/b.wav"]})).to_pylist()
    finally:
        actor._worker.kill()
    assert row["failure"] == "BundleInvalidError"
    assert "is another than" in row["file"]


def test_an_actor_survives_a_file_that_kills_its_process(job: BatchConfig, corpus: Path) -> None:
    good = [str(path) for path in sorted(corpus.iterdir())[:3]]
    actor = BatchActor(job, LABELS)
    try:
        table = actor(_Block([good[0], Poison("/x/poison.wav"), *good[1:]]))
    finally:
        actor._worker.kill()
    assert table["path"].to_pylist() == [good[0], "/x/poison.wav", *good[1:]]
    assert ["worker_died" in file for file in table["file"].to_pylist()] == [0, 1, 0, 0]


def test_blocks_hold_every_path_and_are_enough_for_all() -> None:
    items = [Item(f"/{n}.wav", None if n % 3 else 10**n) for n in range(9)]
    blocks = on_ray._blocks(items, 2)
    assert pa.concat_tables(blocks)["path"].to_pylist() == [item.path for item in items]
    many = on_ray._blocks([Item(f"/{n}.wav", 100_000) for n in range(1000)], 4)
    assert len(many) >= 16
    assert max(map(len, many)) <= 32
    assert len(on_ray._blocks(items[:1], 8)) == 1
