"""Split channels, side by side again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.client.joined_channels import JoinedChannels
from ser_rt.errors import AudioInputError

LOST = SourceWarning("device_lost", "it is lost")


class Split(AudioSource):
    """A source of two samples a round; each number is the chunk of a channel, 0 a warning."""

    def __init__(self, *channels: int) -> None:
        self.channels, self.given = channels, 0

    def __iter__(self) -> Iterator[AudioChunk]:
        at = 0
        for channel in self.channels:
            self.given += 1
            samples = np.full(2 if channel else 0, channel, np.float32)
            warnings = () if channel else (LOST,)
            yield AudioChunk(samples, at, 0.0, warnings=warnings, channel=channel or None)
            at += 2 * (channel == max(self.channels))


def test_channels_lie_side_by_side_and_only_the_first_wait() -> None:
    source = Split(1, 2, 1, 2, 0, 1, 2)
    joined, given = [], []
    for chunk in JoinedChannels(source):
        joined.append(chunk)
        given.append(source.given)
    assert [chunk.samples.tolist() for chunk in joined if len(chunk.samples)] == [[[1, 2]] * 2] * 3
    assert [chunk.start for chunk in joined if len(chunk.samples)] == [0, 2, 4]
    assert given == [3, 4, 5, 7]
    assert joined[2].warnings == (LOST,)


def test_a_warning_before_any_audio_comes_with_the_first() -> None:
    first, *_ = JoinedChannels(Split(0, 1, 2, 1, 2))
    assert (first.samples.shape, first.warnings) == ((2, 2), (LOST,))


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(AudioInputError, match="1 channels after 2"):
        list(JoinedChannels(Split(1, 2, 1, 2, 1)))
