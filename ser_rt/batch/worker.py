"""`WorkerProcess`: a process that classifies one file after the other, and may crash on one."""

from __future__ import annotations

import faulthandler
import math
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from ser_rt.batch.classify_file import BatchConfig, FileClassifier, FileResult, failed_result
from ser_rt.errors import ProviderError

MOST_DEATHS = 8
"""After so many crashes in a row, the files are not at fault."""

PREFETCH = 2
"""Files given to a process at once; the next one waits there, so that it never idles."""

_OF_TERMINALS = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]
"""Signals that a terminal sends to all of its processes."""

_MEMORY = "is there memory for so many --workers?"


class WorkerProcess:
    """A child process with a model, and the files that it was given.

    A file that crashes its process is given to a new one; if it crashes that too, it is at fault.
    """

    def __init__(self, job: BatchConfig, labels: tuple[str, ...]) -> None:
        """Start the process; it begins to load the model."""
        self._job, self._labels = job, labels
        self._given: deque[tuple[str, Future[FileResult]]] = deque()
        self._suspect: str | None = None
        self._deaths = 0
        self._start()

    @property
    def load(self) -> int:
        """Number of files that it was given and whose results have not been taken."""
        return len(self._given)

    @property
    def next(self) -> Future[FileResult]:
        """Done when `take` will not wait."""
        return self._given[0][1]

    def provider(self) -> str:
        """Wait until the model is loaded, and return where it runs.

        Raises:
            SerError: It does not load.
        """
        try:
            return self._opened.result()
        except BrokenProcessPool as error:
            msg = f"a worker died while it loaded the model; {_MEMORY}"
            raise ProviderError(msg) from error

    def give(self, path: str) -> None:
        """Give it a file to classify."""
        try:
            future = self._pool.submit(_classify, self._job, path)
        except BrokenProcessPool as error:
            # It has died; `take` finds that out with the files before this one.
            future = Future()
            future.set_exception(error)
        self._given.append((path, future))

    def take(self) -> FileResult | None:
        """Return the result of the first of its files; None if the file is given to a new process.

        Raises:
            SerError: The model does not load, or every process crashes.
        """
        path, future = self._given[0]
        try:
            result = future.result()
        except BrokenProcessPool:
            return self._bury(path)
        self._given.popleft()
        self._suspect, self._deaths = None, 0
        return result

    def kill(self) -> None:
        """End the process at once."""
        for process in self._processes:
            process.kill()
        self._pool.shutdown(cancel_futures=True)

    def _start(self) -> None:
        before = set(multiprocessing.active_children())
        with _uninterrupted():
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, initializer=_prepare)
            self._opened = self._pool.submit(_open, self._job)
        self._processes = set(multiprocessing.active_children()) - before

    def _bury(self, path: str) -> FileResult | None:
        self.provider()
        self.kill()
        again = [name for name, _ in self._given]
        self._given.clear()
        result = None
        if self._suspect == path:
            self._deaths += 1
            if self._deaths == MOST_DEATHS:
                msg = (
                    f"{MOST_DEATHS} files in a row killed their process, the last {path}; {_MEMORY}"
                )
                raise ProviderError(msg)
            message = "the process that decoded this file died or hung, and so did the next one"
            result = failed_result(path, self._labels, "worker_died", message)
            again = again[1:]
        self._suspect = path if result is None else None
        self._start()
        for name in again:
            self.give(name)
        return result


class _Watchdog:
    """Ends this process if it makes no progress: a decoder may hang.

    faulthandler's timer needs no lock that the decoder could hold.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s, self._fed_at = limit_s, -math.inf
        self._nowhere = Path(os.devnull).open("w")  # noqa: SIM115 (as long as this process)

    def feed(self) -> None:
        """Restart the timer. Cheap enough for every chunk."""
        now = time.monotonic()
        if now - self._fed_at > self._limit_s / 20:
            self._fed_at = now
            faulthandler.dump_traceback_later(self._limit_s, exit=True, file=self._nowhere)

    def rest(self) -> None:
        """Stop the timer."""
        self._fed_at = -math.inf
        faulthandler.cancel_dump_traceback_later()


@cache
def _classifier(job: BatchConfig) -> tuple[FileClassifier, _Watchdog]:
    watchdog = _Watchdog(job.stall_s)
    return FileClassifier(job, watchdog.feed), watchdog


def _open(job: BatchConfig) -> str:
    return _classifier(job)[0].provider


def _classify(job: BatchConfig, path: str) -> FileResult:
    classifier, watchdog = _classifier(job)
    try:
        return classifier.classify(path)
    finally:
        watchdog.rest()


def _prepare() -> None:
    """Ignore the signals of a terminal, which the parent handles, and do not outlive the parent."""
    for number in _OF_TERMINALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Block a terminal's signals while child processes start; the parent gets them afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_TERMINALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
