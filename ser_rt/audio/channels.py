"""`Channel`: which channels of audio to use; `Split`: each of several by itself.

The module is light: command lines import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ser_rt.errors import AudioInputError, ConfigError, NoChannelError

ALL_CHANNELS: Literal["all"] = "all"
SPLIT_CHANNELS: Literal["split"] = "split"
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Split:
    """Each channel by itself, of audio that must have several; ``names`` are theirs, in order."""

    names: tuple[str, ...] = ()


Channel = int | Literal["all", "split"] | Split | None
"""Which channel to use: a number from 1; ``"all"`` for each by itself, be there one or more;
``"split"`` or a `Split` for each of several; None for their mean."""


def is_divided(channel: Channel) -> bool:
    """Return whether each channel is processed by itself."""
    return isinstance(channel, Split) or channel in (ALL_CHANNELS, SPLIT_CHANNELS)


def checked_channel(channel: Channel) -> Channel:
    """Return a channel, ``"split"`` as a `Split`.

    Raises:
        AudioInputError: It is no number from 1, and none of the words.
    """
    given: object = channel
    if given == SPLIT_CHANNELS:
        return Split()
    is_number = isinstance(given, int) and not isinstance(given, bool) and given >= 1
    if given not in (None, ALL_CHANNELS) and not isinstance(given, Split) and not is_number:
        msg = f"channel must be a number from 1, 'all' or 'split', not {channel!r}"
        raise AudioInputError(msg)
    return channel


def numbers_of(channel: Channel, count: int) -> list[int | None]:
    """Return the numbers of the channels to process of so many; None for their mean.

    Raises:
        NoChannelError: There is none of this number, one to split, or another number of them than
            of names.
    """
    if isinstance(channel, Split):
        if count < 2:
            msg = "the audio has one channel, there is nothing to split: leave split out"
            raise NoChannelError(msg)
        if channel.names and len(channel.names) != count:
            names = ", ".join(channel.names)
            msg = f"{len(channel.names)} names ({names}) for {count} channels: name each, in order"
            raise NoChannelError(msg)
    if isinstance(channel, int) and channel > count:
        msg = f"there is no channel {channel}: the audio has {count}"
        raise NoChannelError(msg)
    if is_divided(channel):
        return list(range(1, count + 1))
    return [channel] if isinstance(channel, int) else [None]


def checked_names(names: Sequence[str], channel: Channel) -> None:
    """Raise a `ConfigError` unless names are fit for channels that are split."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        msg = f"channel_names must be a list of names, one a channel, not {names!r}"
        raise ConfigError(msg)
    for name in names:
        if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            msg = f"{name!r} is no name of a channel: 1 to {LONGEST_NAME} printable characters"
            raise ConfigError(msg)
    if len(set(names)) != len(names):
        msg = f"channels share a name: {', '.join(names)}"
        raise ConfigError(msg)
    if names and channel != SPLIT_CHANNELS:
        msg = "names are of channels that are split: split them as well"
        raise ConfigError(msg)
