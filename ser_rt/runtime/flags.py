"""Flags that several commands share, as groups, and the `StreamSettings` that they give."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ser_rt.constants import (
    GATE_THRESHOLD,
    HALF_LIFE_S,
    VAD_MIN_SILENCE_S,
    VAD_NEG_MARGIN,
    VAD_SPEECH_PAD_S,
    VAD_THRESHOLD,
)
from ser_rt.runtime.backends.providers import PROVIDERS
from ser_rt.runtime.settings import HysteresisSettings, StreamSettings, VadSettings

OF_VAD = ("vad_threshold", "vad_negative_threshold", "vad_min_silence", "vad_pre_roll")
"""Flags of the network that detects speech."""


class Group(Protocol):
    """A parser, or a group of its flags."""

    def add_argument(self, *names: str, **how: Any) -> argparse.Action:
        """Add a flag."""
        ...


def add_model_flags(group: Group, *, threads: str = "threads of one model call") -> None:
    """Add the flags that choose a model and where it runs; ``threads`` is a help text."""
    add = group.add_argument
    add("--model", metavar="PATH", help="folder of a bundle, or name of a built-in one")
    add("--provider", choices=tuple(PROVIDERS), default="cpu", help="(%(default)s)")
    add("--threads", type=int, metavar="N", help=threads)
    add(
        "--streaming",
        action=argparse.BooleanOptionalAction,
        help="compute each hop once, with caches; without, classify whole windows "
        "(what bundle, window and hop allow)",
    )


def add_stream_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `stream_settings`, and ``--track``."""
    _add_channel_flags(parser.add_argument_group("channel and track"))
    add_settings_flags(parser)


def add_settings_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `stream_settings` that have nothing to do with where audio comes from."""
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="settings that the model has under this name, such as calm or quick; flags win",
    )
    _add_window_flags(parser.add_argument_group("windows"))
    _add_vad_flags(parser.add_argument_group("speech detection"))
    _add_smoothing_flags(parser.add_argument_group("smoothing, and the delay that it adds"))


def add_window_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `window_settings`: those that the emotion of a recording depends on."""
    _add_window_flags(parser.add_argument_group("windows"))
    _add_vad_flags(parser.add_argument_group("speech detection"))


def window_settings(flags: argparse.Namespace) -> StreamSettings:
    """Return the settings that flags of `add_window_flags` give; errors as of `stream_settings`."""
    parser = argparse.ArgumentParser()
    add_settings_flags(parser)
    return stream_settings(argparse.Namespace(**vars(parser.parse_args([])) | vars(flags)))


def stream_flags(flags: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the flags that `add_stream_flags` adds, by name."""
    parser = argparse.ArgumentParser()
    add_stream_flags(parser)
    return {name: getattr(flags, name) for name in vars(parser.parse_args([]))}


def stream_settings(
    flags: argparse.Namespace, *, episodes: bool = False, name: str | None = None
) -> StreamSettings:
    """Return the settings of a stream that the flags give.

    Raises:
        ConfigError: A value is out of range.
    """
    vad: bool | VadSettings = False
    if not flags.no_vad:
        vad = VadSettings(
            threshold=flags.vad_threshold,
            neg_threshold=flags.vad_negative_threshold,
            min_silence_s=flags.vad_min_silence,
            speech_pad_s=flags.vad_pre_roll,
        )
    return StreamSettings(
        window_s=flags.window,
        hop_s=flags.hop,
        min_window_s=flags.min_window,
        half_life_s=flags.half_life,
        hysteresis=HysteresisSettings(flags.enter, flags.leave, flags.hold, flags.unsure),
        partial=flags.partial,
        episodes=episodes,
        vad=vad,
        gate_threshold=flags.gate_threshold,
        name=name,
        channel=getattr(flags, "channel", None),
        profile=flags.profile,
    )


def stream_rules(flags: argparse.Namespace) -> list[tuple[object, str, str]]:
    """Return what flags of `add_stream_flags` need, as `refuse_idle` takes it."""
    return [
        *((not flags.no_vad, dest, "does nothing with --no-vad") for dest in OF_VAD),
        *(
            (flags.gate_threshold != 0, dest, "does nothing with --gate-threshold 0")
            for dest in OF_VAD
        ),
        (flags.partial, "min_window", "does nothing with --no-partial"),
    ]


def channel_of(text: str) -> int | str:
    """Read a number from 1, or ``all``, for `argparse`."""
    if text == "all":
        return text
    if not text.isdecimal() or not int(text):
        msg = f"{text!r} must be a number from 1, or all"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _of(group: Group, unit: str) -> Callable[..., argparse.Action]:
    """Return what adds a flag with a number of some unit."""
    return partial(group.add_argument, type=float, metavar=unit)


def _add_channel_flags(group: Group) -> None:
    add = group.add_argument
    add(
        "--channel",
        type=channel_of,
        metavar="N",
        help="channel to classify, from 1; all classifies each by itself (default: their mean)",
    )
    add("--track", type=int, metavar="N", help="audio track of a file that has several")


def _add_window_flags(group: Group) -> None:
    add, seconds = group.add_argument, _of(group, "S")
    seconds("--window", help="seconds of audio in a window (the model's)")
    seconds("--hop", help="seconds from one result to the next (the model's)")
    seconds("--min-window", help="seconds before the first, early result (the model's)")
    add(
        "--partial",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="early results before the first full window; without, the first comes after "
        "--window seconds (%(default)s)",
    )


def _add_vad_flags(group: Group) -> None:
    add, seconds, share = group.add_argument, _of(group, "S"), _of(group, "P")
    share(
        "--gate-threshold",
        help="share of a window that must be speech; 0 classifies silence too "
        f"(the profile's, else {GATE_THRESHOLD})",
    )
    add("--no-vad", action="store_true", help="detect speech by level alone, without a network")
    share(
        "--vad-threshold",
        default=VAD_THRESHOLD,
        help="probability at which speech starts (%(default)s)",
    )
    share(
        "--vad-negative-threshold", help=f"probability below which it ends ({VAD_NEG_MARGIN} less)"
    )
    seconds(
        "--vad-min-silence",
        default=VAD_MIN_SILENCE_S,
        help="shorter pauses belong to speech (%(default)s)",
    )
    seconds(
        "--vad-pre-roll",
        default=VAD_SPEECH_PAD_S,
        help="seconds before the start of speech that belong to it (%(default)s)",
    )


def _add_smoothing_flags(group: Group) -> None:
    seconds, share = _of(group, "S"), _of(group, "P")
    seconds(
        "--half-life",
        help="half of a change shows after S; 0 for no smoothing "
        f"(the profile's, else {HALF_LIFE_S})",
    )
    share(
        "--enter",
        help="name another emotion from this probability on; "
        "a change shows half-life × log2(1 / (1 - P)) later (the profile's, else 0)",
    )
    share(
        "--leave",
        help="keep the named emotion while its probability is at least this; delays a change "
        "until it has fallen so far (the profile's, else 1: any other may take over)",
    )
    seconds(
        "--hold",
        help="keep a named emotion this long; delays a change by up to S (the profile's, else 0)",
    )
    share(
        "--unsure",
        help="name nothing (unsure) below this probability; no delay (the profile's, else 0)",
    )
