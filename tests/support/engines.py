"""An engine without processes, and paths that kill the process that is given them."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from ser_rt.batch.classify_file import BatchConfig, FileClassifier, FileResult
from ser_rt.batch.discovery import Item
from ser_rt.batch.engines import Resources


def classify_here(
    items: Sequence[Item], job: BatchConfig, labels: tuple[str, ...], resources: Resources
) -> Generator[FileResult, None, None]:
    """Classify in this process, one file after the other."""
    del labels, resources
    classifier = FileClassifier(job)
    for item in items:
        yield classifier.classify(item.path)


class Poison(str):
    """A path that ends the process which unpickles it."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (1,)


class PoisonOnce(str):
    """A path that ends the first process which unpickles it; ``.died`` beside it remembers."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[[str], str], tuple[str]]:
        return die_once, (str(self),)


def die_once(path: str) -> str:
    mark = Path(path + ".died")
    if mark.exists():
        return path
    mark.touch()
    os._exit(1)
