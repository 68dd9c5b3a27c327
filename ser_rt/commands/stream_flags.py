"""The flags of ``ser-stream``."""

from __future__ import annotations

import argparse

import ser_rt
from ser_rt.checks import whole_number
from ser_rt.cli.arguments import new_file
from ser_rt.constants import (
    GATE_THRESHOLD,
    HALF_LIFE_S,
    PCM_ENCODINGS,
    SAMPLE_RATE,
    VAD_MIN_SILENCE_S,
    VAD_NEGATIVE_MARGIN,
    VAD_PRE_ROLL_S,
    VAD_THRESHOLD,
)
from ser_rt.runtime.backends.providers import PROVIDERS
from ser_rt.runtime.sinks import SINKS
from ser_rt.runtime.sinks.text import LANGUAGES

UIS = ("live", "plain")

_USAGE = """\
ser-stream [flags] FILE...      hear recordings, or streams by URL
       ser-stream [flags] --mic        listen to a microphone
       ser-stream [flags] -            hear standard input: any format, or raw PCM if told so"""
_EPILOG = """\
example:
  ffmpeg -i talk.mp4 -f wav - | ser-stream - --format jsonl

Events go to standard output, everything else to standard error. The exit code is 0; 1 if audio,
model or device failed; 2 if the command makes no sense; 130 after Ctrl-C, 143 after SIGTERM,
129 after SIGHUP.
"""


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
    _add_inputs(parser)
    _add_hearing(parser)
    _add_steadiness(parser)
    _add_outputs(parser)
    add = parser.add_argument_group("other").add_argument
    add("--config", metavar="FILE", help="TOML file of flags, such as hop = 0.25; flags win")
    add("--version", action="version", version=f"ser-stream {ser_rt.__version__}")
    return parser


def channel_of(text: str) -> int | str:
    """Read a number from 1, or ``all``, for `argparse`."""
    if text == "all":
        return text
    if not text.isdecimal() or not int(text):
        msg = f"{text!r} must be a number from 1, or all"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what to listen to").add_argument
    add(
        "files",
        nargs="*",
        metavar="FILE",
        help="audio files or URLs (http, rtsp, ...); - for standard input",
    )
    add("--mic", action="store_true", help="listen to a microphone")
    add("--device", metavar="NAME", help="which one: its number, or part of its name")
    add("--no-reconnect", action="store_true", help="end when a device or a URL is lost")
    add("--save-input", type=new_file, metavar="FILE.flac", help="record what is heard")
    add("--list-devices", action="store_true", help="list the microphones and exit")
    add("--list-providers", action="store_true", help="try where a model can run, and exit")
    add("--json", action="store_true", help="list them as JSON")
    add(
        "--rate",
        type=whole_number,
        metavar="HZ",
        help="rate of raw PCM on standard input "
        f"({SAMPLE_RATE}), or to open the microphone at (any that it has)",
    )
    add("--channels", type=whole_number, metavar="N", help="channels of raw PCM (1)")
    add("--encoding", choices=tuple(PCM_ENCODINGS), help="of raw PCM (s16le)")
    add("--realtime", action="store_true", help="play files at the pace of the clock")
    add(
        "--fast",
        action="store_false",
        dest="realtime",
        help="read files as fast as possible (default)",
    )


def _add_hearing(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how to hear").add_argument
    add(
        "--channel",
        type=channel_of,
        metavar="N",
        help="which channel, from 1; all hears each by itself (their mean)",
    )
    add("--track", type=int, metavar="N", help="which audio track of a file that has several")
    add("--model", metavar="PATH", help="folder of a bundle, or name of a built-in one")
    add("--provider", choices=tuple(PROVIDERS), default="cpu", help="(%(default)s)")
    add("--threads", type=int, metavar="N", help="threads of one model call")
    add("--server", metavar="URL", help="let a ser-serve hear it: ws://host:8765/v1/stream")
    add("--token-file", metavar="FILE", help="file with a key of that server")
    add("--window", type=float, metavar="S", help="seconds the model hears at once")
    add("--hop", type=float, metavar="S", help="seconds from one result to the next")
    add("--min-window", type=float, metavar="S", help="seconds before the first, early result")
    add(
        "--gate-threshold",
        type=float,
        metavar="P",
        default=GATE_THRESHOLD,
        help="share of a window that must be speech; 0 classifies silence too (%(default)s)",
    )
    add("--no-vad", action="store_true", help="tell speech from silence by level alone")
    add(
        "--vad-threshold",
        type=float,
        metavar="P",
        default=VAD_THRESHOLD,
        help="probability at which speech starts (%(default)s)",
    )
    add(
        "--vad-negative-threshold",
        type=float,
        metavar="P",
        help=f"probability below which it ends ({VAD_NEGATIVE_MARGIN} less)",
    )
    add(
        "--vad-min-silence",
        type=float,
        metavar="S",
        default=VAD_MIN_SILENCE_S,
        help="shorter pauses belong to speech (%(default)s)",
    )
    add(
        "--vad-pre-roll",
        type=float,
        metavar="S",
        default=VAD_PRE_ROLL_S,
        help="what belongs to speech before its start (%(default)s)",
    )


def _add_steadiness(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how steady to be, and the delay that it adds").add_argument
    add(
        "--half-life",
        type=float,
        metavar="S",
        default=HALF_LIFE_S,
        help="smoothing: half of a change shows after S; 0 for none (%(default)s)",
    )
    add(
        "--enter",
        type=float,
        metavar="P",
        default=0.0,
        help="name another emotion from this probability on; "
        "a change shows half-life × log2(1 / (1 - P)) later (%(default)s)",
    )
    add(
        "--leave",
        type=float,
        metavar="P",
        default=1.0,
        help="keep the named emotion while its probability is at least this; "
        "delays a change until it has fallen so far (%(default)s: any other may take over)",
    )
    add(
        "--hold",
        type=float,
        metavar="S",
        default=0.0,
        help="keep a named emotion this long; delays a change by up to S (%(default)s)",
    )
    add(
        "--unsure",
        type=float,
        metavar="P",
        default=0.0,
        help="say unsure below this probability; no delay (%(default)s)",
    )
    add(
        "--partial",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="early results before the first full window; without, the first comes after "
        "--window seconds (%(default)s)",
    )
    add(
        "--episodes",
        action="store_true",
        help="say of each stretch of one emotion when it began, was clearest and ended; "
        "known at the first result of another kind, a hop after it ended",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what to write").add_argument
    add("--format", choices=tuple(SINKS), help="(text)")
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
    add("--rotate", type=float, metavar="MB", help="begin a new --output file at this size")
    add("--rotate-keep", type=int, default=5, metavar="N", help="old ones to keep (%(default)s)")
    add("--top-k", type=int, metavar="N", help="name the N likeliest emotions only")
    add("--lang", choices=LANGUAGES, default="en", help="which name leads (%(default)s)")
    add("--no-timing", action="store_true", help="leave out latencies: same audio, same bytes")
    add("--stats", action="store_true", help="end with every part of the latency")
    add("--quiet", "-q", action="store_true", help="no status on standard error")
