"""`FileClassifier`: classifies one file, in the worker processes of every engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ser_rt.audio.chunk import AudioChunk
from ser_rt.audio.sources import make_source
from ser_rt.batch.remote import FetchError, fetched
from ser_rt.batch.tables import More, TurnRows, WindowRows
from ser_rt.errors import (
    AudioError,
    AudioInputError,
    AudioNotFoundError,
    BundleError,
    BundleInvalidError,
    ConfigError,
    MissingDependencyError,
    NoAudioError,
    NoChannelError,
    NoTrackError,
    ProviderError,
)
from ser_rt.files.names import printable
from ser_rt.runtime.backends.providers import ProviderName
from ser_rt.runtime.channels import make_engines
from ser_rt.runtime.engine import ChunkEngine
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.stream import load

ERROR_CODES = {
    "missing": "there is no such file",
    "empty": "the file holds no audio",
    "unreadable": "not audio, in no format that is known, or not allowed to be read",
    "damaged": "broken after its beginning; the windows before that are there",
    "too_long": "longer than --max-duration; the windows before that are there",
    "no_channel": "not the channels that are asked for, or not as many as their names",
    "no_track": "no audio track of that number",
    "bad_samples": "samples that no model has an answer for, such as not scaled to [-1, 1]",
    "not_fetched": "a URL that could not be fetched",
    "worker_died": "the process that decoded it died or hung, twice",
    "failed": "anything else; see the message",
}
"""Error codes of files."""


@dataclass(frozen=True)
class BatchConfig:
    """Model and settings of a run, the same for every file and in every process.

    Attributes:
        model: Folder of the bundle.
        model_sha256: Of the bundle.
        provider: Where the model runs.
        threads: Threads of one call.
        settings: Of the stream of each file.
        streaming: Whether each hop is computed once, with caches; None for what the bundle can.
        track: Audio track of files that have several; None for the first.
        max_duration_s: Length at which a file is broken off; None for never.
        stall_s: Seconds without progress after which a process is ended.
        embedding: Whether windows and turns have embeddings.
    """

    model: str
    model_sha256: str
    provider: ProviderName
    threads: int
    settings: StreamSettings
    streaming: bool | None = None
    track: int | None = None
    max_duration_s: float | None = None
    stall_s: float = 300.0
    embedding: bool = False


class FileResult(NamedTuple):
    """The result of a file.

    Attributes:
        path: As the input named it.
        file: A row of ``files/``, without the columns of a table of files.
        windows: Rows of ``windows/`` as an Arrow IPC stream.
        turns: Rows of ``turns/``, where they are wanted.
    """

    path: str
    file: dict[str, Any]
    windows: bytes
    turns: bytes | None = None


class _TooLongError(AudioError):
    """A file is longer than it may be."""


_CODES: dict[type[AudioError], str] = {
    AudioNotFoundError: "missing",
    FetchError: "not_fetched",
    _TooLongError: "too_long",
    NoAudioError: "empty",
    NoChannelError: "no_channel",
    NoTrackError: "no_track",
    AudioInputError: "bad_samples",
}


class FileClassifier:
    """A model, and the settings of its streams."""

    def __init__(self, job: BatchConfig, on_progress: Callable[[], None] = lambda: None) -> None:
        """Load the model; ``on_progress`` is called as decoding begins and as it goes on.

        Raises:
            BundleError: It is missing or invalid, or another one than where the run was started.
            ProviderError: The provider did not come up.
            ConfigError: A setting is out of range.
        """
        self._job, self._on_progress = job, on_progress
        self._classifier = load(
            job.model,
            job.provider,
            job.threads,
            streaming=job.streaming,
            settings=job.settings,
            embedding=job.embedding,
        )
        if self._classifier.bundle.sha256 != job.model_sha256:
            msg = f"the bundle {job.model} here is another than where the run was started; copy it"
            raise BundleInvalidError(msg)
        self._engine()  # refuses settings before any file is decoded

    @property
    def provider(self) -> str:
        """Where the model runs."""
        return self._classifier.provider

    def classify(self, path: str) -> FileResult:
        """Return the result of a file; a fault of the file is an error in its row.

        Raises:
            SerError: The fault is not the file's.
        """
        started, name = time.perf_counter(), printable(path)
        labels = self._classifier.labels
        more = More(self._classifier.bundle.dimensions, self._job.embedding)
        windows, turns = WindowRows(name, labels, more), TurnRows(name, labels, more)
        engine = self._engine()
        code = message = local = None
        try:
            with fetched(path) as local:
                self._on_progress()
                source = make_source(
                    "file",
                    local,
                    self._classifier.sample_rate,
                    track=self._job.track,
                    channel=self._job.settings.source_channel,
                )
                with source:
                    for event in engine.run(self._limited(source)):
                        windows.add(event)
                        turns.add(event)
        except AudioError as error:
            code, message = _code(error, engine.processed_s), str(error)
        except (BundleError, ConfigError, MissingDependencyError, ProviderError):
            raise
        except Exception as error:  # noqa: BLE001 (a bad file is a row, not an end)
            code, message = "failed", f"{type(error).__name__}: {error}"
        if message is not None and local is not None:
            message = printable(" ".join(message.replace(local, name).split()))
        elapsed_s = time.perf_counter() - started
        file = error_row(name, code, message, engine.processed_s, elapsed_s)
        file |= {"windows": windows.count, "speech_windows": windows.speech_count}
        if windows.count:
            file["speech_share"] = windows.speech_count / windows.count
        overall = engine.overall
        if overall.emotion is not None:
            file |= {"emotion": overall.emotion, "confidence": overall.confidence}
            file |= {f"p_{label}": share for label, share in overall.probabilities.items()}
        found = turns.packed() if self._job.settings.turns else None
        return FileResult(path, file, windows.packed(), found)

    def _engine(self) -> ChunkEngine:
        return make_engines(self._classifier, self._job.settings)

    def _limited(self, source: Iterable[AudioChunk]) -> Iterator[AudioChunk]:
        limit_s = self._job.max_duration_s
        for chunk in source:
            self._on_progress()
            end_s = (chunk.start + len(chunk.samples)) / self._classifier.sample_rate
            if limit_s is not None and end_s > limit_s:
                msg = f"longer than the {limit_s:g} s that --max-duration allows"
                raise _TooLongError(msg)
            yield chunk


def failed_result(path: str, labels: Iterable[str], code: str, message: str) -> FileResult:
    """Return the result of a file that could not be decoded: one error row, no windows."""
    name = printable(path)
    return FileResult(
        path, error_row(name, code, message), WindowRows(name, tuple(labels)).packed()
    )


def error_row(
    name: str,
    code: str | None,
    message: str | None,
    duration_s: float = 0.0,
    elapsed_s: float = 0.0,
) -> dict[str, Any]:
    """Return the row of a file without any window."""
    return {
        "path": name,
        "duration_s": duration_s,
        "windows": 0,
        "speech_windows": 0,
        "error_code": code,
        "error": message,
        "elapsed_s": elapsed_s,
    }


def _code(error: AudioError, processed_s: float) -> str:
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    return "damaged" if processed_s > 0 else "unreadable"
