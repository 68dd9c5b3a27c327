"""`gather`: the `RecordingReport` of a file, classified from its beginning to its end."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from ser_rt.audio.sources import make_source
from ser_rt.errors import AudioError, NoAudioError
from ser_rt.files.names import printable
from ser_rt.report.collector import Collector
from ser_rt.report.recording import RecordingReport
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.channels import make_engines
from ser_rt.runtime.settings import StreamSettings


def gather(
    path: str | Path,
    model: OnnxClassifier,
    settings: StreamSettings,
    *,
    track: int | None = None,
    with_audio: bool = False,
) -> RecordingReport:
    """Return what a report tells of a file; one that breaks off has an `error`.

    Raises:
        AudioError: Nothing of it can be decoded.
        ConfigError: The settings do not fit the model.
    """
    engine = make_engines(model, settings)
    name = printable(Path(path).name)
    collector = Collector(name, model.labels, model.sample_rate, with_audio=with_audio)
    source = make_source(
        "file", path, model.sample_rate, track=track, channel=settings.source_channel
    )
    try:
        with source:
            for event in engine.run(collector.follow(source)):
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
    return quote(there.replace(os.sep, "/"))
