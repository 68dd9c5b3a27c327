"""Flags that several commands share, as groups, and the `StreamSettings` that they give."""

from __future__ import annotations

import argparse
from typing import Any

from ser_rt.checks import whole_number
from ser_rt.cli.profile_flags import (
    Group,
    add_gate_flag,
    add_lengths,
    add_smoothing_flags,
    numbers,
)
from ser_rt.constants import (
    LONGEST_TURN_S,
    TURN_PAUSE_S,
    VAD_MIN_SILENCE_S,
    VAD_NEG_MARGIN,
    VAD_SPEECH_PAD_S,
    VAD_THRESHOLD,
)
from ser_rt.runtime.backends.providers import PROVIDERS
from ser_rt.runtime.settings import HysteresisSettings, StreamSettings
from ser_rt.runtime.vad.settings import VadSettings


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


def add_embedding_flag(group: Group, what: str) -> None:
    """Add ``--embedding``; ``what`` says what has one."""
    group.add_argument("--embedding", action="store_true", help=f"add {what}")


def add_stream_flags(parser: argparse.ArgumentParser, *, raw: bool = False) -> None:
    """Add the flags of `stream_settings`, and ``--track``; ``raw``: the command reads raw PCM."""
    _add_channel_flags(parser.add_argument_group("channel and track"), raw=raw)
    add_settings_flags(parser)
    _add_turn_flags(parser.add_argument_group("turns"))


def add_settings_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `stream_settings` that have nothing to do with where audio comes from."""
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="settings that the model has under this name, such as calm or quick; flags win",
    )
    _add_window_flags(parser.add_argument_group("windows"))
    _add_vad_flags(parser.add_argument_group("speech detection"))
    add_smoothing_flags(parser.add_argument_group("smoothing, and the delay that it adds"))


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
        weight_per_s=flags.weight,
        neutral=flags.neutral,
        hysteresis=HysteresisSettings(flags.enter, flags.leave, flags.hold, flags.unsure),
        partial=flags.partial,
        episodes=episodes,
        turns=getattr(flags, "turns", False),
        turn_pause_s=getattr(flags, "turn_pause", TURN_PAUSE_S),
        longest_turn_s=getattr(flags, "longest_turn", LONGEST_TURN_S),
        turn_updates=getattr(flags, "turn_updates", False),
        speaker_change=getattr(flags, "speaker_change", False),
        vad=vad,
        gate_threshold=flags.gate_threshold,
        name=name,
        channel=getattr(flags, "channel", None),
        channel_names=getattr(flags, "channel_names", ()),
        profile=flags.profile,
    )


def channel_of(text: str) -> int | str:
    """Read a number from 1, or ``all``, for `argparse`."""
    if text in {"all", "split"}:
        return text
    if not text.isdecimal() or not int(text):
        msg = f"{text!r} must be a number from 1, split, or all"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def channels_of(text: str) -> int | str:
    """Read ``split``, ``mix`` or a whole number, for `argparse`."""
    try:
        return text if text in {"split", "mix"} else whole_number(text)
    except ValueError:
        msg = f"{text!r} must be split, mix, or the number of channels of raw PCM"
        raise argparse.ArgumentTypeError(msg) from None


def names_of_channels(text: str) -> tuple[str, ...]:
    """Read names with commas between them, for `argparse`."""
    return tuple(name.strip() for name in text.split(","))


class Channels(argparse.Action):
    """Reads ``--channels``: ``split`` and ``mix`` are choices of ``--channel``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 (as argparse calls it)
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Set ``channel``, or ``channels`` for a number."""
        if values in {"split", "mix"}:
            namespace.channel = "split" if values == "split" else None
        else:
            namespace.channels = values


def _add_channel_flags(group: Group, *, raw: bool) -> None:
    add = group.add_argument
    add(
        "--channel",
        type=channel_of,
        metavar="N",
        help="channel to classify, from 1; split classifies each of several by itself, all each "
        "of however many there are (default: their mean)",
    )
    add(
        "--channels",
        type=channels_of,
        action=Channels,
        metavar="HOW",
        help="split, which is --channel split, or mix, their mean (default)"
        + ("; or the number N of channels of raw PCM on standard input (1)" if raw else ""),
    )
    add(
        "--channel-names",
        type=names_of_channels,
        default=(),
        metavar="A,B",
        help="names of the channels that are split, such as agent,customer",
    )
    add("--track", type=int, metavar="N", help="audio track of a file that has several")


def _add_window_flags(group: Group) -> None:
    add, seconds = group.add_argument, numbers(group, "S")
    add_lengths(group)
    seconds("--min-window", help="seconds before the first, early result (the model's)")
    add(
        "--partial",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="early results before the first full window; without, the first comes after "
        "--window seconds (%(default)s)",
    )


def _add_turn_flags(group: Group) -> None:
    seconds = numbers(group, "S")
    group.add_argument(
        "--turns",
        action="store_true",
        help="add an answer for each whole turn, when somebody has stopped speaking",
    )
    seconds("--turn-pause", default=TURN_PAUSE_S, help="silence that ends a turn (%(default)s)")
    seconds(
        "--longest-turn",
        default=LONGEST_TURN_S,
        help="cut a turn at this length; the speech goes on in another (%(default)s)",
    )
    anew = "begin windows and turns anew where another person begins to speak"
    group.add_argument("--speaker-change", action="store_true", help=anew)


def _add_vad_flags(group: Group) -> None:
    add, seconds, share = group.add_argument, numbers(group, "S"), numbers(group, "P")
    add_gate_flag(group)
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
