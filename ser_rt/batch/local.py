"""The engine for this machine: a process for each core, or one for its GPU."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait

from ser_rt.batch.classify_file import BatchConfig, FileResult
from ser_rt.batch.discovery import Item
from ser_rt.batch.engines import Resources
from ser_rt.batch.worker import PREFETCH, WorkerProcess
from ser_rt.runtime.backends.providers import PROVIDERS


def classify_all(
    items: Sequence[Item], job: BatchConfig, labels: tuple[str, ...], resources: Resources
) -> Generator[FileResult, None, None]:
    """Yield the result of each file, as files are finished; closing it ends the processes."""
    waiting = deque(item.path for item in items)
    workers: list[WorkerProcess] = []
    try:
        workers.append(WorkerProcess(job, labels))
        provider = workers[0].provider() if job.provider == "auto" else job.provider
        wanted = resources.workers or (1 if PROVIDERS[provider].device == "gpu" else cores())
        workers += [WorkerProcess(job, labels) for _ in range(1, min(wanted, len(items)))]
        while True:
            for _ in range(PREFETCH):
                # In turns: the last files are shared out evenly.
                for worker in workers:
                    if worker.load < PREFETCH and waiting:
                        worker.give(waiting.popleft())
            busy = [worker for worker in workers if worker.load]
            if not busy:
                return
            wait([worker.next for worker in busy], return_when=FIRST_COMPLETED)
            for worker in busy:
                if worker.next.done():
                    result = worker.take()
                    if result is not None:
                        yield result
    finally:
        for worker in workers:
            worker.kill()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
