"""Settings of a stream: one frozen, picklable `StreamSettings` for every way to open one.

It is made once, from the flags of a command, from keyword arguments or from a message of the
protocol, and is passed on as it is. The module is light: command lines import it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from ser_rt.audio.channels import Channel, Split, checked_names
from ser_rt.checks import Check, at_least, require, within
from ser_rt.constants import (
    GATE_THRESHOLD,
    HALF_LIFE_S,
    HOP_S,
    LONGEST_TURN_S,
    MIN_WINDOW_S,
    TURN_PAUSE_S,
    WEIGHT_PER_S,
    WINDOW_S,
)
from ser_rt.errors import ConfigError
from ser_rt.profiles import Naming, Windows, profile_of
from ser_rt.runtime.vad.settings import VadSettings

if TYPE_CHECKING:
    from ser_rt.runtime.vad.base import Vad
    from ser_rt.streaming import Streaming


@dataclass(frozen=True, slots=True)
class HysteresisSettings:
    """How long a named emotion is kept. None is what the model's profile has.

    Without one, the likeliest is named at every result: enter 0, leave 1, hold and unsure 0.

    Attributes:
        enter: Another emotion is named once its smoothed probability reaches this.
        leave: The named emotion is kept while its probability is at least this.
        hold_s: A named emotion is kept for this long; it can delay a change by as much.
        unsure: Nothing is named below this probability. It delays nothing.
    """

    enter: float | None = None
    leave: float | None = None
    hold_s: float | None = None
    unsure: float | None = None

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name in ("enter", "leave", "unsure"):
            require(name, getattr(self, name), within(0, 1))
        require("hold_s", self.hold_s, at_least(0))


class StreamKeywords(TypedDict, total=False):
    """Keyword arguments of `ser_rt.stream` and the like: the fields of `StreamSettings`."""

    window_s: float | None
    hop_s: float | None
    min_window_s: float | None
    half_life_s: float
    weight_per_s: float
    neutral: float
    hysteresis: HysteresisSettings | None
    partial: bool
    episodes: bool
    turns: bool
    turn_pause_s: float
    longest_turn_s: float
    turn_updates: bool
    speaker_change: bool
    vad: bool | VadSettings | Vad
    gate_threshold: float
    name: str | None
    channel_names: Sequence[str]
    profile: str | None
    steadiness: HysteresisSettings | None  # the former name of hysteresis
    gate: Vad | None  # the former name of vad with a `Vad`


_IS_FLAG: Check = (lambda value: type(value).__name__ in ("bool", "bool_"), "True or False")
_IS_TEXT: Check = (lambda value: isinstance(value, str), "text")


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Settings of one stream. What is None is as the model's profile has it.

    Without one, windows are the model's, half-life 0.7 s, weight 2, ``gate_threshold`` 0.1.

    Attributes:
        window_s: Length of a full window in seconds.
        hop_s: Time from one result to the next in seconds.
        min_window_s: Audio in seconds before the first, partial result.
        half_life_s: After it, half of what was believed is forgotten; 0 for no smoothing.
        weight_per_s: Exponent of a result's probabilities in smoothing, for each second of hop.
        neutral: Probability that a new voice is neutral; without a profile as of any emotion.
        hysteresis: How long a named emotion is kept.
        partial: Whether to yield results of windows that are not full yet.
        episodes: Whether to yield an event for each stretch of one emotion when it has ended.
        turns: Whether to yield a `TurnEvent` when somebody has stopped speaking.
        turn_pause_s: Silence in seconds that ends a turn; shorter pauses lie inside.
        longest_turn_s: A turn of so many seconds is cut, and the speech goes on in another.
        turn_updates: Whether each result inside a turn is followed by the turn's answer so far.
        speaker_change: Whether windows, turns and smoothing begin anew where another person begins
            to speak; for one channel with several voices, at half a second's delay and more.
        vad: How speech is detected: True or `VadSettings` for the Silero network, False for the
            level alone, or a `Vad` of your own, made for this stream.
        gate_threshold: Share of a window that must be speech; 0 classifies every window, and runs
            no network to detect speech.
        name: The ``source`` of each event.
        channel: Channel to classify, from 1; ``"split"`` for each of several by itself, ``"all"``
            for each of however many there are, None for their mean.
        channel_names: Names of the channels that are split, in order.
        profile: Name of the model's profile; None for its default.
    """

    window_s: float | None = None
    hop_s: float | None = None
    min_window_s: float | None = None
    half_life_s: float | None = None
    weight_per_s: float | None = None
    neutral: float | None = None
    hysteresis: HysteresisSettings = HysteresisSettings()
    partial: bool = True
    episodes: bool = False
    turns: bool = False
    turn_pause_s: float = TURN_PAUSE_S
    longest_turn_s: float = LONGEST_TURN_S
    turn_updates: bool = False
    speaker_change: bool = False
    vad: bool | VadSettings | Vad = True
    gate_threshold: float | None = None
    name: str | None = None
    channel: Channel = None
    channel_names: Sequence[str] = ()
    profile: str | None = None

    def __post_init__(self) -> None:
        """Refuse values that are no numbers, or out of range."""
        for name in ("window_s", "hop_s", "min_window_s"):
            require(name, getattr(self, name), within(0, 3600))
        require("half_life_s", self.half_life_s, at_least(0))
        require("weight_per_s", self.weight_per_s, within(0, 100))
        require("neutral", self.neutral, within(0.01, 0.99))
        require("gate_threshold", self.gate_threshold, within(0, 1))
        require("turn_pause_s", self.turn_pause_s, within(0.1, 60))
        require("longest_turn_s", self.longest_turn_s, within(1, 3600))
        for name in ("partial", "episodes", "turns", "turn_updates", "speaker_change"):
            require(name, getattr(self, name), _IS_FLAG)
        require("name", self.name, _IS_TEXT)
        is_vad = isinstance(self.vad, bool | VadSettings) or hasattr(self.vad, "speech")
        if not (is_vad and isinstance(self.hysteresis, HysteresisSettings)):
            msg = f"vad and hysteresis are settings, not {self.vad!r} and {self.hysteresis!r}"
            raise ConfigError(msg)
        checked_names(self.channel_names, self.channel)
        if self.turn_updates and not self.turns:
            msg = "turn_updates are of turns: give turns=True as well"
            raise ConfigError(msg)

    @property
    def source_channel(self) -> Channel:
        """What a source is told of the channels to use."""
        return Split(tuple(self.channel_names)) if self.channel_names else self.channel

    @classmethod
    def of(cls, channel: Channel = None, **keywords: Unpack[StreamKeywords]) -> Self:
        """Return the settings that keyword arguments give; one that is None is left out.

        Raises:
            ConfigError: A value is no number, or out of range.
            TypeError: There is no such setting.
        """
        known = [field.name for field in fields(cls)]
        values: dict[str, Any] = {}
        for key, value in keywords.items():
            name = _FORMER.get(key, key)
            if name not in known:
                msg = f"no setting {key!r}; there are {', '.join(known)}"
                raise TypeError(msg)
            if value is not None:
                values[name] = value
        if isinstance(values.get("hysteresis"), Mapping):
            try:
                values["hysteresis"] = HysteresisSettings(**values["hysteresis"])
            except TypeError as error:
                msg = f"hysteresis has enter, leave, hold_s and unsure: {error}"
                raise ConfigError(msg) from error
        if not isinstance(values.get("channel_names", ""), str):
            values["channel_names"] = tuple(values["channel_names"])
        return cls(**values, channel=channel)

    def windows_for(self, model: object) -> Windows:
        """Return the windows in seconds: those that a model was trained for where they are None.

        Those of a network that streams are whole hops.

        Raises:
            ConfigError: It must stream, and cannot with this hop or window; or the window is
                longer than the model takes.
        """
        streaming = self.streaming_for(model)
        if streaming is not None:
            return self._hops_for(streaming, model)
        profile = profile_of(model, self.profile)
        window_s = _first(self.window_s, profile.window_s, getattr(model, "window_s", WINDOW_S))
        longest = getattr(model, "max_window_s", None)
        if longest is not None and window_s > longest:
            msg = f"window is {window_s:g} s, and this model takes at most {longest:g} s"
            raise ConfigError(msg)
        return Windows(
            window_s,
            _first(self.hop_s, profile.hop_s, min(getattr(model, "hop_s", HOP_S), window_s)),
            _first(self.min_window_s, min(getattr(model, "min_window_s", MIN_WINDOW_S), window_s)),
        )

    def streaming_for(self, model: object) -> Streaming | None:
        """Return the hops and caches of a stream; None where it classifies whole windows.

        Raises:
            ConfigError: The model must stream, and cannot with this hop or window.
        """
        streaming: Streaming | None = getattr(model, "streaming", None)
        return None if self.misfit(model) else streaming

    def misfit(self, model: object) -> str | None:
        """Return why a model that streams classifies whole windows here; None if it need not.

        Raises:
            ConfigError: It must stream.
        """
        streaming: Streaming | None = getattr(model, "streaming", None)
        if streaming is None:
            return None
        hop_s = _first(self.hop_s, profile_of(model, self.profile).hop_s, streaming.hop_s)
        return streaming.misfit(_first(self.window_s, streaming.pooled_s), hop_s)

    def naming_for(self, model: object) -> Naming:
        """Return how results are named: as the model's profile has it where a setting is None.

        Raises:
            ConfigError: The model has no such profile.
        """
        profile, own = profile_of(model, self.profile), self.hysteresis
        return Naming(
            half_life_s=_first(self.half_life_s, profile.half_life_s, HALF_LIFE_S),
            weight_per_s=_first(self.weight_per_s, profile.weight_per_s, WEIGHT_PER_S),
            neutral=profile.neutral if self.neutral is None else self.neutral,
            enter=_first(own.enter, profile.enter, 0.0),
            leave=_first(own.leave, profile.leave, 1.0),
            hold_s=_first(own.hold_s, profile.hold_s, 0.0),
            unsure=_first(own.unsure, profile.unsure, 0.0),
            gate_threshold=_first(self.gate_threshold, profile.gate_threshold, GATE_THRESHOLD),
        )

    def _hops_for(self, streaming: Streaming, model: Any) -> Windows:
        window_s = streaming.pooled_s
        hop_s = _first(self.hop_s, profile_of(model, self.profile).hop_s, streaming.hop_s)
        first_s = _first(self.min_window_s, min(model.min_window_s, window_s))
        return Windows(_whole_hops(window_s, hop_s), hop_s, _whole_hops(first_s, hop_s))

    def to_message(self) -> dict[str, Any]:
        """Return what differs from the defaults, as the protocol's ``config`` names it.

        Raises:
            ConfigError: A server has no use for it: it detects speech by itself.
        """
        if not isinstance(self.vad, bool):
            msg = "vad must be true or false where a server detects speech, not parameters"
            raise ConfigError(msg)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        message = {key: value for key, value in values.items() if value != getattr(DEFAULTS, key)}
        for key in ("channel", "channel_names"):
            message.pop(key, None)  # a client sends one channel
        if "hysteresis" in message:
            given = asdict(message.pop("hysteresis"))
            message["steadiness"] = {key: x for key, x in given.items() if x is not None}
        return message


_FORMER = {"steadiness": "hysteresis", "gate": "vad"}
"""Former names of keyword arguments, the first of them also the protocol's."""

DEFAULTS = StreamSettings()


def _first(*values: float | None) -> float:
    """Return the first that is no None; the last one never is."""
    return next(value for value in values if value is not None)


def _whole_hops(seconds: float, hop_s: float) -> float:
    """Return the seconds of the fewest hops that are not shorter than ``seconds``."""
    return math.ceil(seconds / hop_s - 1e-6) * hop_s
