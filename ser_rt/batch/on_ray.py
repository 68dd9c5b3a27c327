"""The engine for many machines: Ray Data with a pool of actors, one for each core or GPU.

The machines need ser-rt, the bundle at the same path, and files that all of them can reach. Results
return to the process that started the run, and that alone writes.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Generator, Sequence

import pyarrow as pa

from ser_rt import errors
from ser_rt.batch.classify_file import BatchConfig, FileResult
from ser_rt.batch.discovery import Item
from ser_rt.batch.engines import Resources
from ser_rt.batch.worker import PREFETCH, WorkerProcess
from ser_rt.cli.signals import terminable
from ser_rt.cluster.ray_session import ray_session
from ser_rt.errors import ClusterError, SerError
from ser_rt.runtime.backends.providers import PROVIDERS

_BLOCK_BYTES, _BLOCK_FILES, _BLOCKS_PER_ACTOR = 8_000_000, 32, 4
_UNKNOWN_BYTES = 1_000_000


def classify_all(
    items: Sequence[Item], job: BatchConfig, labels: tuple[str, ...], resources: Resources
) -> Generator[FileResult, None, None]:
    """Yield the result of each file, as files are finished.

    Raises:
        ClusterError: There is no Ray at the address, or the cluster has nothing to run on.
        MissingDependencyError: Ray is not installed.
    """
    with ray_session(resources.address, resources.workers) as ray, terminable():
        import ray.data

        logging.getLogger("ray.data").setLevel(logging.ERROR)
        unit = "GPU" if PROVIDERS[job.provider].device == "gpu" else "CPU"
        size = resources.workers or int(ray.cluster_resources().get(unit, 0))
        if size < 1:
            msg = f"the Ray cluster has no {unit} to run {job.provider} on"
            raise ClusterError(msg)
        blocks = _blocks(items, size)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.enable_operator_progress_bars = False
        found = ray.data.from_arrow(blocks).map_batches(
            BatchActor,
            fn_constructor_args=(job, labels),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=min(size, len(blocks))),
            **{f"num_{unit.lower()}s": 1},
        )
        try:
            for block in found.iter_batches(
                batch_size=None, batch_format="pyarrow", prefetch_batches=0
            ):
                for row in block.to_pylist():
                    if row["failure"] is not None:
                        raise getattr(errors, row["failure"])(row["file"])
                    yield FileResult(
                        _uncarried(row["path"]),
                        json.loads(row["file"]),
                        row["windows"],
                        row["turns"],
                    )
        except ray.exceptions.RayError as error:
            msg = f"Ray failed: {' '.join(str(error).split())[-300:]}"
            raise ClusterError(msg) from error


class BatchActor:
    """An actor with a worker process, so that a file that crashes the process leaves the actor."""

    def __init__(self, job: BatchConfig, labels: tuple[str, ...]) -> None:
        self._worker = WorkerProcess(job, labels)

    def __call__(self, block: pa.Table) -> pa.Table:
        """Return a row for each path of a block."""
        waiting = [_uncarried(text) for text in reversed(block["path"].to_pylist())]
        rows = []
        while waiting or self._worker.load:
            while waiting and self._worker.load < PREFETCH:
                self._worker.give(waiting.pop())
            try:
                result = self._worker.take()
            except SerError as error:
                # Ray would wrap it; and it has nothing to do with the file.
                failure = {"file": str(error), "failure": type(error).__name__}
                return pa.Table.from_pylist([failure], _ROWS)
            if result is not None:
                packed = {"path": _carried(result.path), "file": json.dumps(result.file)}
                rows.append(result._asdict() | packed)
        return pa.Table.from_pylist(rows, _ROWS)


_ROWS = pa.schema(
    [
        ("path", pa.string()),
        ("file", pa.string()),
        ("windows", pa.binary()),
        ("turns", pa.binary()),
        ("failure", pa.string()),
    ]
)


def _blocks(items: Sequence[Item], actors: int) -> list[pa.Table]:
    """Share paths out into blocks of about the same work, enough of them for every actor."""
    sizes = [_UNKNOWN_BYTES if item.size is None else item.size for item in items]
    most_bytes = min(_BLOCK_BYTES, sum(sizes) / (actors * _BLOCKS_PER_ACTOR))
    blocks: list[list[str]] = [[]]
    filled = 0
    for item, size in zip(items, sizes, strict=True):
        if blocks[-1] and (filled + size > most_bytes or len(blocks[-1]) == _BLOCK_FILES):
            blocks.append([])
            filled = 0
        blocks[-1].append(_carried(item.path))
        filled += size
    return [pa.table({"path": pa.array(paths, pa.string())}) for paths in blocks]


def _carried(path: str) -> str:
    """Return a path as Arrow can carry it: one that is no UTF-8 in hexadecimal digits."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "\0" + os.fsencode(path).hex()
    return path


def _uncarried(text: str) -> str:
    return os.fsdecode(bytes.fromhex(text[1:])) if text.startswith("\0") else text
