"""From the flags of ``ser-stream`` to the parts that do what they say."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, TextIO, cast

from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.converter import ALL_CHANNELS
from ser_rt.audio.recording import Recorder, Tee
from ser_rt.audio.sources import make_source
from ser_rt.errors import ConfigError
from ser_rt.files.names import printable
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.channels import ChannelEngines
from ser_rt.runtime.engine import Engine, StreamEngine
from ser_rt.runtime.hysteresis import HysteresisSettings
from ser_rt.runtime.settings import StreamSettings, make_engine
from ser_rt.runtime.sinks import SINKS, Sink, SinkSettings
from ser_rt.runtime.sinks.rotating_file import RotatingFile
from ser_rt.runtime.stream import load

if TYPE_CHECKING:
    from ser_rt.audio.sources.pcm import ByteStream
    from ser_rt.client.engine import ServerModel
    from ser_rt.runtime.sinks.live_ui import LiveUi

NARROWEST = 60
"""Columns that the live display needs."""


def model_of(flags: argparse.Namespace) -> OnnxClassifier | ServerModel:
    """Load the model, or find the server that has one."""
    if flags.server is not None:
        from ser_rt.client.engine import ServerModel

        return ServerModel(flags.server, flags.token_file)
    classifier = load(flags.model, flags.provider, flags.threads)
    classifier.warm_up()
    return classifier


def about(model: OnnxClassifier | ServerModel) -> str:
    """Say in a line what listens."""
    if not isinstance(model, OnnxClassifier):
        return model.about
    bundle = model.bundle
    labels = len(bundle.labels)
    return (
        f"{bundle.name} {bundle.version} ({labels} emotions, {bundle.precision}, {model.provider})"
    )


def engine_of(
    flags: argparse.Namespace, model: OnnxClassifier | ServerModel, name: str | None
) -> StreamEngine:
    """Make the engine of one stream, or of each of its channels."""
    if flags.channel == ALL_CHANNELS and isinstance(model, OnnxClassifier):
        return ChannelEngines(lambda: _local_engine(flags, model, name))
    if isinstance(model, OnnxClassifier):
        return _local_engine(flags, model, name)
    return model.engine(timing=not flags.no_timing, **_settings_of(flags, name))


def _settings_of(flags: argparse.Namespace, name: str | None) -> StreamSettings:
    return StreamSettings(
        window_s=flags.window,
        hop_s=flags.hop,
        min_window_s=flags.min_window,
        half_life_s=flags.half_life,
        steadiness=HysteresisSettings(flags.enter, flags.leave, flags.hold, flags.unsure),
        partial=flags.partial,
        episodes=flags.episodes,
        vad=False if flags.server is None else not flags.no_vad,
        gate_threshold=flags.gate_threshold,
        name=name,
    )


def _local_engine(flags: argparse.Namespace, model: OnnxClassifier, name: str | None) -> Engine:
    settings = _settings_of(flags, name)
    if not flags.no_vad and flags.gate_threshold > 0:
        from ser_rt.runtime.vad.silero import SileroVad

        settings["gate"] = SileroVad(
            threshold=flags.vad_threshold,
            negative_threshold=flags.vad_negative_threshold,
            min_silence_s=flags.vad_min_silence,
            pre_roll_s=flags.vad_pre_roll,
        )
    return make_engine(model, **settings)


def sources_of(flags: argparse.Namespace, sample_rate: int) -> Iterator[tuple[str, AudioSource]]:
    """Yield name and source of each thing to listen to."""
    heard = {"track": flags.track, "channel": flags.channel}
    if flags.mic:
        microphone = make_source(
            "microphone",
            flags.device,
            sample_rate,
            rate=flags.rate,
            channel=flags.channel,
            reconnect=not flags.no_reconnect,
        )
        yield "microphone", microphone
    elif flags.files == ["-"]:
        yield "standard input", _standard_input(flags, sample_rate)
    for path in flags.files if flags.files != ["-"] else ():
        name = printable(path)
        if "://" in path:
            source = make_source(
                *("network", path, sample_rate), reconnect=not flags.no_reconnect, **heard
            )
        else:
            source = make_source("file", path, sample_rate, realtime=flags.realtime, **heard)
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
        channel=flags.channel,
    )


class Outputs:
    """Where the events of a run go: a display, a file, standard output."""

    def __init__(
        self, flags: argparse.Namespace, model: OnnxClassifier | ServerModel, opened: ExitStack
    ) -> None:
        """Note what the flags name: it is opened when audio comes, and ``opened`` closes it."""
        self._flags, self._model, self._opened = flags, model, opened
        self._recorder: Recorder | None = None
        self._ui: LiveUi | None = None
        self.sinks: list[Sink] = []

    def heard_by(self, source: AudioSource, engine: StreamEngine) -> AudioSource:
        """Return the source with everything attached that wants to see its audio."""

        def see(chunk: AudioChunk) -> None:
            # Not before: what a run without any audio would overwrite may be worth keeping.
            if not self.sinks:
                self._open()
            if self._recorder is not None:
                self._recorder(chunk)
            if self._ui is not None:
                self._ui.meter(engine)(chunk)

        return Tee(source, see)

    def _open(self) -> None:
        flags, model, opened = self._flags, self._model, self._opened
        name = flags.format or "text"
        if flags.save_input is not None:
            recorder = Recorder(flags.save_input, model.sample_rate)
            self._recorder = opened.enter_context(recorder)
        if wants_live_ui(flags, sys.stdout):
            from ser_rt.runtime.sinks.live_ui import LiveUi

            self._ui = LiveUi(
                model.labels,
                model.sample_rate,
                lang=flags.lang,
                hop_s=flags.hop,
                stats=flags.stats,
            )
            self.sinks.append(opened.enter_context(self._ui))
        if flags.output is not None or self._ui is None:
            output: TextIO = sys.stdout
            if flags.output is not None:
                file = RotatingFile(
                    flags.output,
                    max_bytes=None if flags.rotate is None else round(flags.rotate * 1e6),
                    keep=flags.rotate_keep,
                    header=name == "csv",
                )
                output = opened.enter_context(file)  # type: ignore[assignment]
            settings = SinkSettings(
                labels=model.labels,
                lang=flags.lang,
                timing=not flags.no_timing,
                stats=flags.stats,
                color=output.isatty() and "NO_COLOR" not in os.environ,
                top_k=flags.top_k,
            )
            self.sinks.append(SINKS[name](output, settings))


def wants_live_ui(flags: argparse.Namespace, output: TextIO | None) -> bool:
    """Return whether to draw a display: live audio as text on a terminal that can show it."""
    if output is None or not output.isatty():
        return False
    if flags.ui == "plain" or flags.format not in (None, "text"):
        return False
    if "NO_COLOR" in os.environ or os.environ.get("TERM") in (None, "dumb"):
        return False
    try:
        is_wide = os.get_terminal_size(output.fileno()).columns >= NARROWEST
    except OSError:
        return False
    is_live = flags.mic or flags.realtime or any("://" in path for path in flags.files)
    return is_wide and (is_live or flags.ui == "live")
