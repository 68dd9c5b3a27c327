"""Flags of ``ser-stream``."""

from __future__ import annotations

import argparse

from ser_rt.checks import whole_number
from ser_rt.cli.arguments import Parser, new_file
from ser_rt.cli.help_text import HelpFormatter
from ser_rt.constants import PCM_ENCODINGS, SAMPLE_RATE
from ser_rt.runtime.flags import add_embedding_flag, add_model_flags, add_stream_flags
from ser_rt.runtime.sinks import SINKS
from ser_rt.runtime.sinks.words import LANGUAGES

UIS = ("live", "plain")

_USAGE = """\
ser-stream [flags] FILE...      classify recordings, or streams by URL
       ser-stream [flags] --mic        classify a microphone
       ser-stream [flags] -            classify standard input: any format, or raw PCM if told so"""
_EPILOG = """\
example:
  ffmpeg -i talk.mp4 -f wav - | ser-stream - --format jsonl

Events go to standard output, everything else to standard error. The exit code is 0; 1 if audio,
model or device failed; 2 if the command makes no sense; 130 after Ctrl-C, 143 after SIGTERM,
129 after SIGHUP.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``ser-stream``."""
    parser = Parser(
        prog="ser-stream",
        usage=_USAGE,
        description="Recognize emotion in speech as it streams.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    _add_inputs(parser)
    _add_model(parser)
    add_stream_flags(parser, raw=True)
    _add_outputs(parser)
    add = parser.add_argument_group("other").add_argument
    add("--config", metavar="FILE", help="TOML file of flags, such as hop = 0.25; flags win")
    return parser


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("input").add_argument
    add(
        "files",
        nargs="*",
        metavar="FILE",
        help="audio files or URLs (http, rtsp, ...); - for standard input",
    )
    add("--mic", action="store_true", help="classify a microphone")
    add("--device", metavar="NAME", help="microphone, by number or part of its name")
    add("--no-reconnect", action="store_true", help="end when a device or a URL is lost")
    add("--save-input", type=new_file, metavar="FILE.flac", help="record the input")
    add("--list-devices", action="store_true", help="list the microphones and exit")
    add("--list-providers", action="store_true", help="try every provider, and exit")
    add("--json", action="store_true", help="list as JSON")
    add(
        "--rate",
        type=whole_number,
        metavar="HZ",
        help="rate of raw PCM on standard input "
        f"({SAMPLE_RATE}), or to open the microphone at (any that it has)",
    )
    add("--encoding", choices=tuple(PCM_ENCODINGS), help="of raw PCM (s16le)")
    add("--realtime", action="store_true", help="play files at the pace of the clock")
    add(
        "--fast",
        action="store_false",
        dest="realtime",
        help="read files as fast as possible (default)",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    add_model_flags(group)
    add_embedding_flag(group, "the embedding to each result and turn (in jsonl)")
    add = group.add_argument
    add("--server", metavar="URL", help="classify on a ser-serve: ws://host:8765/v1/stream")
    add("--token-file", metavar="FILE", help="file with a key of that server")


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("output").add_argument
    add("--format", choices=tuple(SINKS), help="(by --output's name, else text)")
    add(
        "--ui",
        choices=UIS,
        help="live: a display that moves, for text on a terminal (default when live); "
        "plain: a line for each event",
    )
    add(
        "--output",
        "-o",
        type=new_file,
        metavar="FILE",
        help="write to a file instead of standard output (-)",
    )
    add(
        "--episodes",
        action="store_true",
        help="add an event for each stretch of one emotion: start, peak and end; known at the "
        "first result of another kind, a hop after it ended",
    )
    add(
        "--session-report",
        type=new_file,
        metavar="FILE.html",
        help="write a report of the whole stream at its end (.html, .png), as ser-report does of "
        "recordings; adds events of turns",
    )
    add(
        "--turn-updates",
        action="store_true",
        help="add the answer so far of a turn after each result in it",
    )
    add("--rotate", type=float, metavar="MB", help="begin a new --output file at this size")
    add("--rotate-keep", type=int, default=5, metavar="N", help="old ones to keep (%(default)s)")
    add("--top-k", type=int, metavar="N", help="name the N likeliest emotions only")
    add("--lang", choices=LANGUAGES, default="en", help="which name leads (%(default)s)")
    add("--no-timing", action="store_true", help="leave out latencies: same audio, same bytes")
    add("--stats", action="store_true", help="end with every part of the latency")
    add("--quiet", "-q", action="store_true", help="no status on standard error")
