"""`gather`: the `RecordingReport` of a file, classified from its beginning to its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.sources import make_source
from ser_rt.errors import AudioError, AudioInputError, NoAudioError
from ser_rt.files.names import printable
from ser_rt.report.collector import Collector
from ser_rt.report.recording import RecordingReport
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.channels import make_engines
from ser_rt.runtime.episodes import Lag
from ser_rt.runtime.settings import StreamSettings


def gather(
    path: str | Path,
    model: OnnxClassifier,
    settings: StreamSettings,
    *,
    track: int | None = None,
    with_audio: bool = False,
) -> RecordingReport:
    """Return what a report tells of a file or URL; one that breaks off has an `error`.

    Raises:
        AudioError: Nothing of it can be decoded, or it has no end.
        ConfigError: The settings do not fit the model.
    """
    engine = make_engines(model, settings)
    name = name_of(path)
    lag = Lag.of(settings, model)
    collector = Collector(name, model.labels, model.sample_rate, lag=lag, with_audio=with_audio)
    kind = "network" if is_url(path) else "file"
    source = make_source(
        kind, path, model.sample_rate, track=track, channel=settings.source_channel
    )
    try:
        with source:
            for event in engine.run(_ending(collector.follow(source), name)):
                collector.write(event)
    except AudioError:
        if not engine.processed_s:
            raise
    recording = collector.recording()
    if not recording.duration_s:
        msg = f"{printable(path)} holds no audio"
        raise NoAudioError(msg)
    recording.model, recording.notice = about(model), model.bundle.notice
    return recording


def is_url(path: str | Path) -> bool:
    """Return whether a recording is named by its URL."""
    return "://" in str(path)


def name_of(path: str | Path) -> str:
    """Return the name of a recording, without what a URL has besides: that may be a secret.

    >>> name_of("https://host/calls/one.mp3?token=secret")
    'one.mp3'
    """
    if not is_url(path):
        return printable(Path(path).name)
    url = urlsplit(str(path))
    return printable(unquote(PurePosixPath(url.path).name) or url.hostname or "")


def _ending(source: AudioSource, name: str) -> Iterator[AudioChunk]:
    """Yield the chunks of a source that has an end."""
    for chunk in source:
        if chunk.is_live:
            msg = f"{name} is a stream of unknown length: use ser-stream with --session-report"
            raise AudioInputError(msg)
        yield chunk


def about(model: OnnxClassifier) -> str:
    """Return name, version and size of a model."""
    bundle = model.bundle
    return f"{bundle.name} {bundle.version} ({len(bundle.labels)} emotions, {bundle.precision})"


def link_to(path: str | Path, report: Path) -> str:
    """Return the address of a file for a report that is elsewhere."""
    try:
        there = os.path.relpath(Path(path).resolve(), report.resolve().parent)
    except ValueError:  # another drive of Windows
        return Path(path).resolve().as_uri()
    return quote(os.fsencode(there.replace(os.sep, "/")))
