"""Builds model, sources, engines and sinks from the flags of ``ser-stream``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO, cast

from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.recording import Recorder, Tee
from ser_rt.audio.sources import make_source
from ser_rt.cli.process import tell, tell_replaced
from ser_rt.commands.stream_options import may_draw
from ser_rt.errors import ConfigError
from ser_rt.files.names import printable
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.channels import make_engines
from ser_rt.runtime.engine import StreamEngine
from ser_rt.runtime.episodes import Lag
from ser_rt.runtime.flags import stream_settings
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.sinks import SINKS, LazySink, Sink, SinkSettings
from ser_rt.runtime.sinks.rotating_file import RotatingFile
from ser_rt.runtime.stream import load

if TYPE_CHECKING:
    from ser_rt.audio.sources.pcm import ByteStream
    from ser_rt.client.engine import ServerModel
    from ser_rt.report.collector import Collector
    from ser_rt.report.recording import RecordingReport
    from ser_rt.runtime.sinks.live_ui import LiveUi

    Model = OnnxClassifier | ServerModel

NARROWEST = 30
"""Columns that the live display needs."""


def model_of(flags: argparse.Namespace) -> Model:
    """Return the model, loaded and warm, or the server that has one."""
    if flags.server is not None:
        from ser_rt.client.engine import ServerModel

        return ServerModel(flags.server, flags.token_file, _for_server(flags))
    classifier = load(
        flags.model,
        flags.provider,
        flags.threads,
        streaming=flags.streaming,
        settings=stream_settings(flags),
        embedding=flags.embedding,
    )
    classifier.warm_up()
    return classifier


def about(model: Model, flags: argparse.Namespace) -> str:
    """Return a line that describes a model and how its streams are computed."""
    if not isinstance(model, OnnxClassifier):
        return model.about
    bundle = model.bundle
    labels = len(bundle.labels)
    how = "" if model.streaming is None else ", streaming"
    if flags.streaming is None and (why := stream_settings(flags).misfit(bundle)):
        how = f", whole windows: {why}"
    return (
        f"{bundle.name} {bundle.version} "
        f"({labels} emotions, {bundle.precision}, {model.provider}{how})"
    )


def notice_of(model: Model) -> str | None:
    """Return what users should be told about a model."""
    return model.bundle.notice if isinstance(model, OnnxClassifier) else model.notice


def engine_of(flags: argparse.Namespace, model: Model, name: str | None) -> StreamEngine:
    """Return the engine of one stream, or one for each of its channels."""
    how = {"episodes": flags.episodes, "name": name}
    if isinstance(model, OnnxClassifier):
        return make_engines(model, stream_settings(flags, **how))
    return model.engine(_for_server(flags, **how), timing=not flags.no_timing)


def _for_server(flags: argparse.Namespace, **how: Any) -> StreamSettings:
    """Return the settings of a stream whose speech a server detects by itself."""
    return replace(stream_settings(flags, **how), vad=not flags.no_vad)


def sources_of(flags: argparse.Namespace, sample_rate: int) -> Iterator[tuple[str, AudioSource]]:
    """Yield name and source of each input."""
    part = {"track": flags.track, "channel": stream_settings(flags).source_channel}
    if flags.mic:
        microphone = make_source(
            "microphone",
            flags.device,
            sample_rate,
            rate=flags.rate,
            channel=part["channel"],
            reconnect=not flags.no_reconnect,
        )
        yield "microphone", microphone
    elif flags.files == ["-"]:
        yield "standard input", _standard_input(flags, sample_rate)
    for path in flags.files if flags.files != ["-"] else ():
        name = printable(path)
        if "://" in path:
            source = make_source(
                *("network", path, sample_rate), reconnect=not flags.no_reconnect, **part
            )
        else:
            source = make_source("file", path, sample_rate, realtime=flags.realtime, **part)
        yield name, source


def _standard_input(flags: argparse.Namespace, sample_rate: int) -> AudioSource:
    if sys.stdin.isatty():
        msg = "standard input is a terminal; pipe audio into ser-stream -"
        raise ConfigError(msg)
    from ser_rt.audio.sources.stdin import open_bytes

    return open_bytes(
        cast("ByteStream", sys.stdin.buffer),
        sample_rate,
        rate=flags.rate,
        channels=flags.channels,
        encoding=flags.encoding,
        track=flags.track,
        channel=stream_settings(flags).source_channel,
    )


def display_of(
    flags: argparse.Namespace, model: Model, opened: ExitStack
) -> LazySink[LiveUi] | None:
    """Return the live display if the flags and the terminal allow it; ``opened`` closes it."""
    if not wants_live_ui(flags, sys.stdout):
        return None

    def open_display() -> LiveUi:
        from ser_rt.runtime.sinks.live_ui import LiveUi

        _, hop_s = lengths_of(flags, model)
        how = {"lang": flags.lang, "hop_s": hop_s, "stats": flags.stats}
        return opened.enter_context(LiveUi(model.labels, model.sample_rate, **how))

    return LazySink(open_display)


def file_sink(flags: argparse.Namespace, model: Model, opened: ExitStack) -> Sink:
    """Return the sink of standard output, or of a file; ``opened`` closes it."""

    def open_sink() -> Sink:
        output: TextIO = sys.stdout
        if flags.output is not None:
            if not flags.quiet:
                tell_replaced(flags.output)
            file = RotatingFile(
                flags.output,
                max_bytes=None if flags.rotate is None else round(flags.rotate * 1e6),
                keep=flags.rotate_keep,
                header=flags.format in {"csv", "vtt"},
            )
            output = opened.enter_context(file)  # type: ignore[assignment]  # all of TextIO that sinks use
        settings = SinkSettings(
            labels=model.labels,
            lang=flags.lang,
            timing=not flags.no_timing,
            stats=flags.stats,
            color=output.isatty() and "NO_COLOR" not in os.environ,
            top_k=flags.top_k,
            turns=flags.turns,
            names=bool(flags.channel_names),
            dimensions=model.dimensions,
            speakers=flags.speaker_change,
            lag=None if is_live(flags) else lag_of(flags, model),
            name=flags.files[0] if flags.files not in ([], ["-"]) else "audio",
        )
        return SINKS[flags.format](output, settings)

    return LazySink(open_sink)


def collector_of(flags: argparse.Namespace, model: Model, name: str) -> Collector | None:
    """Return the sink that writes the report of the stream at its end, if one is wanted."""
    if flags.session_report is None:
        return None
    from ser_rt.report.collector import Collector
    from ser_rt.report.gather import link_to
    from ser_rt.report.write import write_report

    def write(recording: RecordingReport) -> None:
        source = flags.save_input or (None if flags.mic else _local(flags.files[0]))
        recording.link = None if source is None else link_to(source, flags.session_report)
        recording.model, recording.notice = about(model, flags), notice_of(model)
        if not flags.quiet:
            tell_replaced(flags.session_report)
        write_report(recording, flags.session_report, flags.lang)

    lag = None if is_live(flags) else lag_of(flags, model)
    return Collector(name, model.labels, model.sample_rate, lag=lag, finished=write)


def _local(path: str) -> str | None:
    return None if path == "-" or "://" in path else path


def lag_of(flags: argparse.Namespace, model: Model) -> Lag:
    """Return how much later than the sound results are."""
    if isinstance(model, OnnxClassifier):
        return Lag.of(stream_settings(flags), model)
    return model.lag


def lengths_of(flags: argparse.Namespace, model: Model) -> tuple[float, float]:
    """Return the length of a full window, and from one result to the next, in seconds."""
    if isinstance(model, OnnxClassifier):
        windows = stream_settings(flags).windows_for(model)
        return windows.window_s, windows.hop_s
    return model.window_s, model.hop_s


def is_live(flags: argparse.Namespace) -> bool:
    """Return whether events come at the pace of the clock, or may."""
    return bool(flags.mic or flags.realtime or any("://" in path for path in flags.files))


def recorded(
    source: AudioSource, flags: argparse.Namespace, rate: int, opened: ExitStack
) -> AudioSource:
    """Return a source whose audio is written to the file of ``--save-input``, if there is one."""
    if flags.save_input is None:
        return source

    @cache
    def recorder() -> Recorder:
        return opened.enter_context(Recorder(flags.save_input, rate))

    def record(chunk: AudioChunk) -> None:
        recorder()(chunk)

    return Tee(source, record)


def metered(
    source: AudioSource, engine: StreamEngine, display: LazySink[LiveUi] | None
) -> AudioSource:
    """Return a source whose level a display shows, if there is one."""
    if display is None:
        return source

    def show_level(chunk: AudioChunk) -> None:
        display.sink.meter(engine)(chunk)

    return Tee(source, show_level)


def wants_live_ui(flags: argparse.Namespace, output: TextIO | None) -> bool:
    """Return whether to draw a display: for live audio on a terminal that can show it."""
    if not may_draw(flags) or not (is_live(flags) or flags.ui == "live"):
        return False
    why = _obstacle(output)
    if why is not None and flags.ui == "live":
        tell(f"no live display: {why}")
    return why is None


def _obstacle(output: TextIO | None) -> str | None:
    """Return why an output cannot show a display; None if it can."""
    if output is None or not output.isatty():
        return "standard output is no terminal"
    if os.name != "nt" and os.environ.get("TERM") in (None, "dumb"):  # Windows sets none
        return f"TERM is {os.environ.get('TERM') or 'not set'}"
    try:
        columns = os.get_terminal_size(output.fileno()).columns
    except OSError:
        return "standard output is no terminal"
    return f"it needs {NARROWEST} columns, not {columns}" if columns < NARROWEST else None
