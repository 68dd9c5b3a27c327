"""``ser-stream``: emotion events of files, a pipe, a URL or a microphone."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ser_rt.cli.patience import ProgressLine
from ser_rt.cli.process import EXIT_FAILED, EXIT_OK, code_of, run_command, tell
from ser_rt.cli.signals import uninterrupted
from ser_rt.cli.standard_streams import Closed, forgive
from ser_rt.commands.stream_options import parse
from ser_rt.errors import (
    AudioError,
    AudioInputError,
    ConfigError,
    DeviceError,
    OutputError,
    ServerError,
)
from ser_rt.files.names import printable
from ser_rt.runtime.event import Event
from ser_rt.runtime.sinks import Sink
from ser_rt.runtime.sinks.text import clock_time
from ser_rt.runtime.sinks.words import WORDS
from ser_rt.runtime.statistics import StreamStatistics

if TYPE_CHECKING:
    from ser_rt.commands import build


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ser-stream``; return 0, 1 (failed), 2 (usage), or `code_of` an interrupt."""
    return run_command("ser-stream", lambda: _work(sys.argv[1:] if argv is None else argv))


def _work(argv: Sequence[str]) -> int:
    flags = parse(argv)
    _check_standard_streams(flags)
    if flags.list_devices:
        return _list_devices(flags)
    return _list_providers(flags) if flags.list_providers else _stream(flags)


def _check_standard_streams(flags: argparse.Namespace) -> None:
    if isinstance(sys.stdout, Closed) and flags.output is None:
        msg = "standard output is closed; name a file with --output"
        raise OutputError(msg)
    if sys.stdin is None and "-" in flags.files:
        msg = "standard input is closed; pipe audio into ser-stream -"
        raise AudioInputError(msg)


def _stream(flags: argparse.Namespace) -> int:
    from ser_rt.commands import build

    model = build.model_of(flags)
    try:
        sources = list(build.sources_of(flags, model.sample_rate))
    except AudioInputError as error:
        raise ConfigError(str(error)) from error
    if not flags.quiet and (notice := build.notice_of(model)):
        tell(printable(notice))
    if flags.episodes or flags.format in ("srt", "vtt", "rttm"):
        _state_lag(flags, model)
    lag = None if build.is_live(flags) else build.lag_of(flags, model)
    statistics, code, interrupted = StreamStatistics(lag=lag), EXIT_OK, False
    with ExitStack() as opened:
        display = build.display_of(flags, model, opened)
        collector = build.collector_of(flags, model, sources[0][0])
        sinks: list[Sink] = [sink for sink in (display, collector) if sink is not None]
        if flags.output is not None or display is None:
            sinks.insert(0, build.file_sink(flags, model, opened))
        for name, source in sources:
            engine = build.engine_of(flags, model, name if len(sources) > 1 else None)
            try:
                with source:
                    _announce(flags, name, build.about(model, flags))
                    audio = build.recorded(source, flags, model.sample_rate, opened)
                    audio = audio if collector is None else collector.follow(audio)
                    events = engine.run(build.metered(audio, engine, display))
                    # Events that are seen on the terminal show how far it is by themselves.
                    is_seen = flags.output is None or display is not None
                    with ProgressLine(is_quiet=flags.quiet or is_seen) as waiting:
                        _write(events, sinks, statistics, waiting, name)
            except (AudioError, DeviceError, ServerError) as error:
                code = EXIT_FAILED
                tell(f"ser-stream: {error}")
            except KeyboardInterrupt as interrupt:
                code, interrupted = code_of(interrupt), True
                forgive()
                _write(engine.flush(), sinks, statistics)
            finally:
                statistics.close(
                    engine.processed_s,
                    source.waited_s,
                    source.dropped_samples,
                    engine.skipped_windows,
                    source.drift_ppm,
                    overall=engine.overall,
                )
            if interrupted:
                break
        for sink in sinks:
            sink.finish(statistics.summary(interrupted=interrupted))
    return code


def _write(
    events: Iterable[Event],
    sinks: Sequence[Sink],
    statistics: StreamStatistics,
    waiting: ProgressLine | None = None,
    name: str = "",
) -> None:
    for event in events:
        if waiting is not None:
            waiting.update(f"{name}: {clock_time(event.end)}")
        with uninterrupted():
            statistics.add(event)
            for sink in sinks:
                sink.write(event)


def _state_lag(flags: argparse.Namespace, model: build.Model) -> None:
    """Say how late the times of live episodes are; from those of a recording it is taken back."""
    from ser_rt.commands import build

    if build.is_live(flags) and not flags.quiet:
        lag, (window_s, _) = build.lag_of(flags, model), build.lengths_of(flags, model)
        why = "the smoothing" if lag.is_of_hops else "half a window, and the smoothing"
        late_s = lag.of_change(window_s)
        tell(f"live, an episode begins about {late_s:.1f} s after the emotion does: {why}")


def _list_devices(flags: argparse.Namespace) -> int:
    from ser_rt.audio.sources.portaudio import list_devices

    devices = list_devices()
    if flags.json:
        print(json.dumps([device._asdict() for device in devices], ensure_ascii=False))
        return EXIT_OK
    for device in devices:
        mark = "*" if device.is_default else " "
        print(
            f"{mark} {device.number:3}  {device.name}  "
            f"({device.channels} channels, {device.sample_rate} Hz)"
        )
    if not devices:
        tell("no microphone")
    return EXIT_OK


def _list_providers(flags: argparse.Namespace) -> int:
    from ser_rt.runtime.backends.listing import list_providers

    found = list_providers()
    if flags.json:
        print(json.dumps([listed._asdict() for listed in found], ensure_ascii=False))
        return EXIT_OK
    width = max(len(listed.provider) for listed in found)
    for listed in found:
        mark, text = ("*", f"on {listed.device}") if listed.ok else ("-", listed.problem)
        print(f"{mark} {listed.provider.ljust(width)}  {text}")
    return EXIT_OK


def _announce(flags: argparse.Namespace, name: str, model: str) -> None:
    if not flags.quiet:
        shown = "마이크" if flags.lang == "ko" and flags.mic else name
        tell(f"{shown}: {model}" + (f", {WORDS[flags.lang]['ends']}" if flags.mic else ""))


if __name__ == "__main__":
    sys.exit(main())
