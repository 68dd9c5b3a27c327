"""Flags of ``ser-stream`` from the command line and from a TOML file, checked together."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from ser_rt.checks import above, at_least, require
from ser_rt.commands.stream_flags import make_parser
from ser_rt.errors import ConfigError
from ser_rt.files.names import printable
from ser_rt.files.outputs import STANDARD_OUTPUT, is_special
from ser_rt.files.text import read_text
from ser_rt.runtime.sinks import SINKS

_LISTS = ("list_devices", "list_providers")
_NOT_IN_FILE = {"config", "help", "version", "files", *_LISTS}
_OF_VAD = ("vad_threshold", "vad_negative_threshold", "vad_min_silence", "vad_pre_roll")
_OF_TURNS = ("turn_pause", "longest_turn", "turn_updates")
_LOCAL = ("model", "embedding", "provider", "threads", "streaming", *_OF_VAD)
_OUTPUTS = ("output", "save_input", "session_report")
_OF_LISTING = {*_LISTS, "json", "config"}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the flags of a command line over those of its ``--config`` file.

    Raises:
        ConfigError: The flags contradict each other, or the file is unfit.
        SystemExit: With 2 if a flag is wrong, with 0 after ``--help`` and ``--version``.
    """
    parser = make_parser()
    flags = parser.parse_args(argv)
    of_file: list[str] = []
    if flags.config is not None:
        of_file = _flags_of_file(parser, Path(flags.config))
        flags = parser.parse_args([*of_file, *argv])
    flags.turns = flags.turns or flags.session_report is not None
    inputs = bool(flags.files) + flags.mic + flags.list_devices + flags.list_providers
    if inputs == 0:
        parser.print_usage(sys.stderr)
        msg = "name a FILE, or - for standard input, or --mic; see --help"
        raise ConfigError(msg)
    if inputs > 1:
        msg = "give files, --mic, --list-devices or --list-providers, not several of them"
        raise ConfigError(msg)
    if "-" in flags.files and len(flags.files) > 1:
        msg = "standard input (-) cannot be mixed with files"
        raise ConfigError(msg)
    for some in (of_file, argv):
        if "--realtime" in some and "--fast" in some:
            msg = "give --realtime or --fast, not both"
            raise ConfigError(msg)
    if lists := [name for name in _LISTS if getattr(flags, name)]:
        _check_listing(parser, argv, _flag(lists[0]))
    _check_needs(flags, _given(parser, [*of_file, *argv]))
    _check_values(flags)
    _check_paths(flags)
    flags.format = flags.format or _format_of(flags.output)
    if flags.format in {"srt", "vtt"} and len(flags.files) > 1:
        msg = f"--format {flags.format} has one timeline: give one input"
        raise ConfigError(msg)
    if flags.output == Path(STANDARD_OUTPUT):
        flags.output = None
    return flags


def _given(parser: argparse.ArgumentParser, argv: Sequence[str]) -> set[str]:
    """Return the flags that a command line sets, be it to the default."""
    actions = parser._actions  # noqa: SLF001 (argparse has no public list)
    unset = argparse.Namespace(**{action.dest: None for action in actions})
    return {
        dest
        for dest, value in vars(parser.parse_args(argv, unset)).items()
        if value not in (None, [])
    }


def _flag(dest: str) -> str:
    return f"--{dest.replace('_', '-')}"


def _check_listing(parser: argparse.ArgumentParser, argv: Sequence[str], flag: str) -> None:
    """Refuse flags that do nothing for a list; a file of flags may hold them."""
    idle = sorted(_given(parser, argv) - _OF_LISTING)
    if idle:
        msg = f"{flag} only lists: {_flag(idle[0])} does nothing there"
        raise ConfigError(msg)


def _check_needs(flags: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that do nothing without another, or with it."""
    pipe = flags.files == ["-"]
    file = any(path != "-" and "://" not in path for path in flags.files)
    one = len(flags.files) < 2
    divided = flags.channel in {"all", "split"}
    if flags.list_devices or flags.list_providers:
        return
    for is_met, dest, why in (
        (flags.mic, "device", "needs --mic"),
        (not flags.mic or not divided, "channel", f"{flags.channel} needs a FILE, a URL or -"),
        (not flags.mic, "track", "needs a FILE, a URL or -; a microphone has no tracks"),
        (not divided or flags.server is None, "channel", f"{flags.channel} needs a model here"),
        (flags.channel == "split", "channel_names", "needs --channels split"),
        (not divided, "save_input", "records one channel: name it with --channel"),
        (flags.mic or pipe, "rate", "needs --mic or - (standard input); a file knows its rate"),
        (pipe, "channels", "needs - (standard input)"),
        (pipe, "encoding", "needs - (standard input)"),
        (file or not flags.realtime, "realtime", "needs a FILE; all else has a pace of its own"),
        (False, "json", "needs --list-devices or --list-providers; of events: --format jsonl"),
        *((not flags.no_vad, dest, "does nothing with --no-vad") for dest in _OF_VAD),
        (flags.server, "token_file", "needs --server"),
        *((flags.server is None, dest, "is the server's choice with --server") for dest in _LOCAL),
        *((flags.turns, dest, "needs --turns") for dest in _OF_TURNS),
        (_is_file(flags.output), "rotate", "needs --output with a file"),
        (one, "save_input", "records one input"),
        (one, "session_report", "is of one input; ser-report makes an index of many"),
    ):
        if dest in given and not is_met:
            msg = f"{_flag(dest)} {why}"
            raise ConfigError(msg)


def _check_values(flags: argparse.Namespace) -> None:
    """Refuse numbers that are out of range."""
    for dest in ("rate", "rotate", "top_k", "track"):
        require(_flag(dest), getattr(flags, dest), above(0))
    require("--rotate-keep", flags.rotate_keep, at_least(1))


def _check_paths(flags: argparse.Namespace) -> None:
    """Refuse outputs that would overwrite an input, or each other."""
    if flags.save_input is not None and not _is_file(flags.save_input):
        msg = f"--save-input {flags.save_input} is no file: FLAC is completed at its end; name one"
        raise ConfigError(msg)
    if flags.session_report is not None:
        from ser_rt.report.write import prepare

        if not _is_file(flags.session_report):
            msg = (
                f"--session-report {flags.session_report} is no file: it is written whole; name one"
            )
            raise ConfigError(msg)
        prepare(flags.session_report, flags.lang)
    outputs = {_flag(dest): getattr(flags, dest) for dest in _OUTPUTS}
    for flag, path in outputs.items():
        if _is_file(path) and _is_one_of(path, flags.files):
            msg = f"{flag} {printable(path)} is an input; it would be overwritten"
            raise ConfigError(msg)
    given = [(flag, path) for flag, path in outputs.items() if path is not None]
    for (flag, path), (other, same) in combinations(given, 2):
        if path.resolve() == same.resolve() or _is_one_of(same, [path]):
            msg = f"{flag} and {other} are both {printable(path)}; name two files"
            raise ConfigError(msg)


def _format_of(output: Path | None) -> str:
    """Return the format that the name of an output file stands for."""
    suffix = output.suffix.lower() if output is not None else ""
    if output is None or not _is_file(output) or suffix in ("", ".txt", ".log"):
        return "text"
    if suffix[1:] in SINKS:
        return suffix[1:]
    formats = ", ".join(SINKS)
    msg = f"--output {printable(output)}: {suffix} is no format of events; give --format, {formats}"
    raise ConfigError(msg)


def _is_file(path: Path | None) -> bool:
    return not (path is None or str(path) == STANDARD_OUTPUT or is_special(path))


def _is_one_of(path: Path, files: Sequence[str | Path]) -> bool:
    exists = os.path.exists  # Path.exists stops at a name that is too long
    return exists(path) and any(exists(file) and path.samefile(file) for file in files)


def _flags_of_file(parser: argparse.ArgumentParser, path: Path) -> list[str]:
    """Return a TOML file as flags, so that they are checked as flags are."""
    try:
        settings = tomllib.loads(read_text(path))
    except (OSError, ValueError) as error:
        msg = f"--config {printable(path)} cannot be read: {error}"
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
            there = ", ".join(known)
            msg = f"--config {printable(path)} has an unknown key {key!r}; there are {there}"
            raise ConfigError(msg)
        takes_value = known[name].nargs != 0
        if isinstance(value, bool) == takes_value or not isinstance(
            value, bool | int | float | str
        ):
            kind = "a value" if takes_value else "true or false"
            msg = f"--config {printable(path)}: {key} must be {kind}, not {value!r}"
            raise ConfigError(msg)
        if takes_value:
            flags.append(f"--{name}={value}")
        elif value:
            flags.append(f"--{name}")
        elif isinstance(known[name], argparse.BooleanOptionalAction):
            flags.append(f"--no-{name}")
    return flags
