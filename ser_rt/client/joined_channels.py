"""`JoinedChannels`: channels that a source has split, side by side again to be sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.errors import AudioInputError


class JoinedChannels(AudioSource):
    """Yields chunks of float32 ``[frames, channels]`` from those of a source that splits.

    Such a source yields a chunk for each channel in turn, all of the same frames. How many there
    are is known when the first channel comes again; from then on nothing waits.
    """

    def __init__(self, source: AudioSource) -> None:
        """Join the channels of an open source, which the caller closes."""
        self._source = source

    def close(self) -> None:
        """End an iteration that waits for audio; callable from any thread."""
        self._source.close()

    def __iter__(self) -> Iterator[AudioChunk]:
        count, waiting = 0, list[AudioChunk]()
        for chunk in self._source:
            if chunk.channel is None:  # a warning, without samples
                if count:
                    yield chunk
                else:  # the first chunk shows how many channels there are
                    waiting.append(chunk)
                continue
            if chunk.channel == 1 and any(one.channel for one in waiting):
                count = _checked(waiting, count)
                yield _joined(waiting)
                waiting = []
            waiting.append(chunk)
            if len(waiting) == count:
                yield _joined(waiting)
                waiting = []
        if any(one.channel for one in waiting):
            _checked(waiting, count)
            yield _joined(waiting)


def _checked(chunks: Sequence[AudioChunk], count: int) -> int:
    """Return how many channels there are."""
    found = sum(chunk.channel is not None for chunk in chunks)
    if count and found != count:
        msg = (
            f"the audio has {found} channels after {count}: a server takes one number "
            "of them; mix them, or classify here"
        )
        raise AudioInputError(msg)
    return found


def _joined(chunks: Sequence[AudioChunk]) -> AudioChunk:
    channels = [chunk for chunk in chunks if chunk.channel is not None]
    return replace(
        channels[0],
        samples=np.stack([chunk.samples for chunk in channels], axis=1),
        warnings=tuple(warning for chunk in chunks for warning in chunk.warnings),
        channel=None,
        channel_name=None,
    )
