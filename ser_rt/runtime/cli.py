"""``ser-stream``: listen to files, a pipe or a microphone, and say what is heard."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ser_rt.errors import (
    AudioError,
    AudioInputError,
    ConfigError,
    DeviceError,
    OutputError,
    SerError,
)
from ser_rt.runtime.options import parse
from ser_rt.runtime.sinks import SINKS, Sink, SinkSettings
from ser_rt.runtime.summary import Ledger

if TYPE_CHECKING:
    from ser_rt.runtime.audio import AudioSource
    from ser_rt.runtime.engine import Engine
    from ser_rt.runtime.event import EmotionEvent
    from ser_rt.runtime.onnx_classifier import OnnxClassifier

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ser-stream``; return 0, 1 (failed), 2 (usage) or 130 (Ctrl-C)."""
    _speak_utf8()
    try:
        flags = parse(sys.argv[1:] if argv is None else argv)
        return _list_devices(flags) if flags.list_devices else _listen(flags)
    except ConfigError as error:
        return _fail(error, EXIT_USAGE)
    except SerError as error:
        return _fail(error, EXIT_FAILED)
    except BrokenPipeError:
        _drop_output()  # the reader has what it wanted
        return EXIT_OK
    except OSError as error:
        _drop_output()
        return _fail(OutputError(f"the output cannot be written: {error.strerror}"), EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _listen(flags: argparse.Namespace) -> int:
    from ser_rt.runtime.stream import load

    classifier = load(flags.model, flags.provider, flags.threads)
    try:
        sources = list(_sources(flags, classifier.sample_rate))
    except AudioInputError as error:
        raise ConfigError(str(error)) from error
    ledger, failed, interrupted = Ledger(), False, False
    with ExitStack() as opened:
        sink: Sink | None = None
        for name, source in sources:
            engine = _engine(flags, classifier, name if len(sources) > 1 else None)
            try:
                with source:
                    _say(flags, name, classifier)
                    sink = sink or _open_sink(flags, classifier, opened)
                    interrupted = _hear(engine.run(source), sink, ledger)
            except (AudioError, DeviceError) as error:
                failed = True
                _fail(error, EXIT_FAILED)
            finally:
                ledger.close(source.waited_s, source.dropped_samples)
            if interrupted:
                break
        if sink is not None:
            sink.finish(ledger.summary(interrupted=interrupted))
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if failed else EXIT_OK


def _hear(events: Iterable[EmotionEvent], sink: Sink, ledger: Ledger) -> bool:
    """Write events; return whether Ctrl-C ended them."""
    try:
        for event in events:
            ledger.add(event)
            sink.write(event)
    except KeyboardInterrupt:
        return True
    return False


def _engine(flags: argparse.Namespace, classifier: OnnxClassifier, name: str | None) -> Engine:
    from ser_rt.runtime.engine import StreamSettings, make_engine

    settings = StreamSettings(
        window_s=flags.window, hop_s=flags.hop, min_window_s=flags.min_window, name=name
    )
    if flags.half_life is not None:
        settings["half_life_s"] = flags.half_life
    if flags.no_gate:
        settings["gate_threshold"] = 0.0
    return make_engine(classifier, **settings)


def _sources(flags: argparse.Namespace, sample_rate: int) -> Iterator[tuple[str, AudioSource]]:
    from ser_rt.runtime.sources import make_source

    if flags.mic:
        yield "microphone", make_source("microphone", flags.device, sample_rate)
    elif flags.files == ["-"]:
        if sys.stdin.isatty():
            msg = "standard input is a terminal; pipe raw PCM into ser-stream -"
            raise ConfigError(msg)
        source = make_source(
            "pcm",
            sys.stdin.buffer,
            sample_rate,
            rate=flags.rate,
            channels=flags.channels,
            encoding=flags.encoding,
        )
        yield "standard input", source
    for path in flags.files if flags.files != ["-"] else ():
        yield path, make_source("file", path, sample_rate, realtime=flags.realtime)


def _open_sink(flags: argparse.Namespace, classifier: OnnxClassifier, opened: ExitStack) -> Sink:
    output: TextIO = sys.stdout
    if flags.output is not None:
        try:
            file = Path(flags.output).open("w", encoding="utf-8", newline="")  # noqa: SIM115
        except OSError as error:
            msg = f"{flags.output} cannot be written: {error.strerror}"
            raise OutputError(msg) from error
        output = opened.enter_context(file)
    settings = SinkSettings(
        labels=classifier.labels,
        lang=flags.lang,
        timing=not flags.no_timing,
        stats=flags.stats,
        color=output.isatty() and "NO_COLOR" not in os.environ,
    )
    return SINKS[flags.format](output, settings)


def _list_devices(flags: argparse.Namespace) -> int:
    from ser_rt.runtime.sources.microphone import list_devices

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
        print("no microphone", file=sys.stderr)
    return EXIT_OK


def _say(flags: argparse.Namespace, name: str, classifier: OnnxClassifier) -> None:
    if not flags.quiet:
        bundle = classifier.bundle
        print(
            f"{name}: {bundle.name} {bundle.version} ({len(bundle.labels)} emotions, "
            f"{bundle.precision}, {classifier.provider})" + (", Ctrl-C ends" if flags.mic else ""),
            file=sys.stderr,
        )


def _fail(error: SerError, code: int) -> int:
    print(f"ser-stream: {error}", file=sys.stderr)
    return code


def _drop_output() -> None:
    """Keep Python from failing once more when it flushes a broken output at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _speak_utf8() -> None:
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            output.reconfigure(encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
