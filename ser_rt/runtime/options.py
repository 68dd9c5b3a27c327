"""The flags of ``ser-stream``, from the command line and from a TOML file."""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import ser_rt
from ser_rt.config import SAMPLE_RATE
from ser_rt.errors import ConfigError
from ser_rt.runtime.defaults import HALF_LIFE_S, PCM_ENCODINGS
from ser_rt.runtime.providers import PROVIDERS
from ser_rt.runtime.sinks import SINKS
from ser_rt.runtime.text import LANGUAGES

_USAGE = """\
ser-stream [flags] FILE...      hear recordings
       ser-stream [flags] --mic        listen to a microphone
       ser-stream [flags] -            hear raw PCM on standard input"""
_EPILOG = """\
example:
  ffmpeg -i talk.mp4 -f s16le -ac 1 -ar 16000 - | ser-stream - --format jsonl

Events go to standard output, everything else to standard error. The exit code is 0; 1 if audio,
model or device failed; 2 if the command makes no sense; 130 after Ctrl-C.
"""
_NOT_IN_FILE = {"config", "help", "version", "files", "list_devices"}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``ser-stream``."""
    parser = argparse.ArgumentParser(
        prog="ser-stream",
        usage=_USAGE,
        description="Hear emotion in speech as it streams.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument_group("what to listen to").add_argument
    add("files", nargs="*", metavar="FILE", help="audio files; - for raw PCM on standard input")
    add("--mic", action="store_true", help="listen to a microphone")
    add("--device", metavar="NAME", help="which one: its number, or part of its name")
    add("--list-devices", action="store_true", help="list the microphones and exit")
    add("--json", action="store_true", help="list them as JSON")
    add("--rate", type=int, default=SAMPLE_RATE, metavar="HZ", help="rate of raw PCM (%(default)s)")
    add("--channels", type=int, default=1, metavar="N", help="channels of raw PCM (%(default)s)")
    add("--encoding", choices=tuple(PCM_ENCODINGS), default="s16le", help="(%(default)s)")
    add(
        "--realtime",
        action="store_true",
        help="play files at the pace of the clock",
    )
    add(
        "--fast",
        action="store_false",
        dest="realtime",
        help="read files as fast as possible (default)",
    )

    add = parser.add_argument_group("how to hear").add_argument
    add("--model", metavar="PATH", help="folder of a bundle, or name of a built-in one")
    add("--provider", choices=tuple(PROVIDERS), default="cpu", help="(%(default)s)")
    add("--threads", type=int, metavar="N", help="threads of one model call")
    add("--window", type=float, metavar="S", help="seconds the model hears at once")
    add("--hop", type=float, metavar="S", help="seconds from one result to the next")
    add("--min-window", type=float, metavar="S", help="seconds before the first, early result")
    add(
        "--half-life",
        type=float,
        metavar="S",
        help=f"half-life of smoothing; 0 for none ({HALF_LIFE_S})",
    )
    add("--no-gate", action="store_true", help="classify silence too")

    add = parser.add_argument_group("what to write").add_argument
    add("--format", choices=tuple(SINKS), default="text", help="(%(default)s)")
    add("--output", "-o", metavar="FILE", help="write to a file instead of standard output")
    add("--lang", choices=LANGUAGES, default="en", help="which name leads (%(default)s)")
    add("--no-timing", action="store_true", help="leave out latencies: same audio, same bytes")
    add("--stats", action="store_true", help="end with every part of the latency")
    add("--quiet", "-q", action="store_true", help="no status on standard error")

    add = parser.add_argument_group("other").add_argument
    add("--config", metavar="FILE", help="TOML file of flags, such as hop = 0.25; flags win")
    add("--version", action="version", version=f"ser-stream {ser_rt.__version__}")
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the flags of a command line over those of its ``--config`` file.

    Raises:
        ConfigError: The flags contradict each other, or the file is unfit.
        SystemExit: With 2 if a flag is wrong, with 0 after ``--help`` and ``--version``.
    """
    parser = make_parser()
    flags = parser.parse_args(argv)
    if flags.config is not None:
        flags = parser.parse_args([*_flags_of_file(parser, Path(flags.config)), *argv])
    listens = bool(flags.files) + flags.mic + flags.list_devices
    if listens == 0:
        parser.print_usage(sys.stderr)
        msg = "name a FILE, or - for standard input, or --mic; --help says more"
        raise ConfigError(msg)
    if listens > 1:
        msg = "give files, --mic or --list-devices, not several of them"
        raise ConfigError(msg)
    if "-" in flags.files and len(flags.files) > 1:
        msg = "standard input (-) cannot be mixed with files"
        raise ConfigError(msg)
    if flags.device is not None and not flags.mic:
        msg = "--device needs --mic"
        raise ConfigError(msg)
    if flags.output is not None and _is_one_of(Path(flags.output), flags.files):
        msg = f"--output {flags.output} is a file to listen to; it would be overwritten"
        raise ConfigError(msg)
    return flags


def _is_one_of(path: Path, files: Sequence[str]) -> bool:
    return path.exists() and any(Path(f).exists() and path.samefile(f) for f in files)


def _flags_of_file(parser: argparse.ArgumentParser, path: Path) -> list[str]:
    """Return a TOML file as flags, so that they are checked as flags are."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"--config {path} cannot be read: {error}"
        raise ConfigError(msg) from error
    known = {
        option.removeprefix("--"): action
        for action in parser._actions  # noqa: SLF001 (argparse has no public list)
        for option in action.option_strings
        if option.startswith("--") and action.dest not in _NOT_IN_FILE
    }
    flags = []
    for key, value in settings.items():
        name = key.replace("_", "-")
        if name not in known:
            msg = f"--config {path} has an unknown key {key!r}; there are {', '.join(known)}"
            raise ConfigError(msg)
        takes_value = known[name].nargs != 0
        if isinstance(value, bool) == takes_value or not isinstance(
            value, bool | int | float | str
        ):
            kind = "a value" if takes_value else "true or false"
            msg = f"--config {path}: {key} must be {kind}, not {value!r}"
            raise ConfigError(msg)
        if takes_value:
            flags.append(f"--{name}={value}")
        elif value:
            flags.append(f"--{name}")
    return flags
