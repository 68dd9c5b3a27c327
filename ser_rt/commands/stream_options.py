"""Flags of ``ser-stream`` from the command line and from a TOML file, checked together."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from ser_rt.audio.discovery import AUDIO_SUFFIXES
from ser_rt.checks import above, at_least, require
from ser_rt.cli.config_file import flags_of_file
from ser_rt.cli.idle import OF_VAD, flag_of, given_in, refuse_idle, stream_rules
from ser_rt.commands.stream_flags import make_parser
from ser_rt.errors import ConfigError
from ser_rt.files.names import printable
from ser_rt.files.outputs import STANDARD_OUTPUT, is_special
from ser_rt.runtime.sinks import SINKS

_LISTS = ("list_devices", "list_providers")
_NOT_IN_FILE = {"config", "help", "version", "print_completion", "files", *_LISTS}
_OF_TURNS = ("turn_pause", "longest_turn", "turn_updates")
_LOCAL = ("model", "embedding", "provider", "threads", "streaming", *OF_VAD)
_NOT_FLAC = {*AUDIO_SUFFIXES} - {".flac"}
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
        of_file = flags_of_file(parser, Path(flags.config), _NOT_IN_FILE)
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
        _check_listing(given_in(parser, argv), flag_of(lists[0]))
    _check_values(flags)
    _check_paths(flags)
    flags.format = flags.format or _format_of(flags.output)
    _check_needs(flags, given_in(parser, [*of_file, *argv]))
    if flags.format in {"srt", "vtt"} and len(flags.files) > 1:
        msg = f"--format {flags.format} has one timeline: give one input"
        raise ConfigError(msg)
    if flags.output == Path(STANDARD_OUTPUT):
        flags.output = None
    return flags


def _check_listing(given: set[str], flag: str) -> None:
    """Refuse flags that do nothing for a list; a file of flags may hold them."""
    idle = sorted(given - _OF_LISTING)
    if idle:
        msg = f"{flag} only lists: {flag_of(idle[0])} does nothing there"
        raise ConfigError(msg)


def _check_needs(flags: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that do nothing without another, or with it."""
    if flags.list_devices or flags.list_providers:
        return
    pipe = flags.files == ["-"]
    file = any(path != "-" and "://" not in path for path in flags.files)
    url = any("://" in path for path in flags.files)
    one = len(flags.files) < 2
    local = flags.server is None
    kind = f"does nothing with --format {flags.format}"
    is_text, is_subtitles = flags.format == "text", flags.format in ("srt", "vtt")
    is_segments = is_subtitles or flags.format == "rttm"
    divided = flags.channel in {"all", "split"}
    if "channels" in given and flags.channels is None:  # split and mix are choices of --channel
        given = given - {"channels"} | {"channel"}
    is_shown = may_draw(flags)
    if "realtime" in given and not flags.realtime and not file:
        msg = "--fast needs a FILE; all else has a pace of its own"
        raise ConfigError(msg)
    reports = flags.session_report is not None
    refuse_idle(
        given,
        (
            (flags.mic, "device", "needs --mic"),
            (not flags.mic, "track", "needs a FILE, a URL or -; a microphone has no tracks"),
            (flags.channel == "split", "channel_names", "needs --channels split"),
            (not divided, "save_input", "records one channel: name it with --channel"),
            (flags.mic or pipe, "rate", "needs --mic or - (standard input); a file knows its rate"),
            (pipe or flags.channels is None, "channels", "needs - (standard input)"),
            (pipe, "encoding", "needs - (standard input)"),
            (file, "realtime", "needs a FILE; all else has a pace of its own"),
            (flags.mic or url, "no_reconnect", "needs --mic or a URL; nothing else is reopened"),
            (False, "json", "needs --list-devices or --list-providers; of events: --format jsonl"),
            *stream_rules(flags),
            (flags.format == "jsonl", "embedding", f"{kind}: they are in jsonl"),
            (flags.server, "token_file", "needs --server"),
            *((local, dest, "is the server's choice with --server") for dest in _LOCAL),
            (_is_file(flags.output), "rotate", "needs --output with a file"),
            (flags.rotate, "rotate_keep", "needs --rotate"),
            (one, "save_input", "records one input"),
            (one, "session_report", "is of one input; ser-report makes an index of many"),
            *((flags.turns, dest, "needs --turns") for dest in _OF_TURNS),
            (
                is_text or is_subtitles or is_shown or reports,
                "lang",
                f"{kind}: its names are fixed",
            ),
            (is_text or is_shown, "stats", f"{kind}: it is for people; jsonl has every part"),
            (not is_segments, "top_k", f"{kind}: it has one name a line"),
            (not is_segments, "no_timing", f"{kind}: it has no latencies"),
            (not is_segments, "episodes", f"{kind}: its lines are episodes"),
            (is_shown or flags.ui == "plain", "ui", f"live {kind}; give it a file with --output"),
        ),
    )


def _check_values(flags: argparse.Namespace) -> None:
    """Refuse numbers that are out of range."""
    for dest in ("rate", "rotate", "top_k", "track"):
        require(flag_of(dest), getattr(flags, dest), above(0))
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
    outputs = {flag_of(dest): getattr(flags, dest) for dest in _OUTPUTS}
    for flag, path in outputs.items():
        if _is_file(path) and _is_one_of(path, flags.files):
            msg = f"{flag} {printable(path)} is an input; it would be overwritten"
            raise ConfigError(msg)
    if flags.save_input is not None and flags.save_input.suffix.lower() in _NOT_FLAC:
        msg = f"--save-input {printable(flags.save_input)}: it writes FLAC; name a file .flac"
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


def may_draw(flags: argparse.Namespace) -> bool:
    """Return whether standard output is free for a display, once it is a terminal."""
    return flags.ui != "plain" and (flags.format == "text" or _is_file(flags.output))


def _is_file(path: Path | None) -> bool:
    return not (path is None or str(path) == STANDARD_OUTPUT or is_special(path))


def _is_one_of(path: Path, files: Sequence[str | Path]) -> bool:
    exists = os.path.exists  # Path.exists stops at a name that is too long
    return exists(path) and any(exists(file) and path.samefile(file) for file in files)
