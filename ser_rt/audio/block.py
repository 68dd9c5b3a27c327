"""`Block`, the output of every decoder: samples with their rate and place in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float32]
Samples = npt.NDArray[Any]


class SourceWarning(NamedTuple):
    """A fault of the audio that a user should know of: ``overflow``, ``damaged``, ``gap``, ..."""

    code: str
    message: str


class Block(NamedTuple):
    """Some consecutive frames of one recording.

    Attributes:
        samples: ``[frames, channels]``, float32 in [-1, 1] (raw PCM also int16); may be empty.
        sample_rate: In Hz; it may change from one block to the next, and so may the channels.
        start_s: Time of the first frame, by the container's time stamps where it has any. If it is
            later than the end of the block before, there is a gap between them.
        warnings: Faults before or in this block.
    """

    samples: Samples
    sample_rate: int
    start_s: float
    warnings: tuple[SourceWarning, ...] = ()


class Decoder(Protocol):
    """Open audio."""

    sample_rate: int
    """In Hz, of the first block."""

    is_endless: bool
    """Whether its length is not known beforehand, as of a live stream."""

    @property
    def waited_s(self) -> float:
        """Seconds spent waiting for bytes to come."""
        ...

    def blocks(self, block_s: float) -> Iterator[Block]:
        """Yield blocks of at most ``block_s`` seconds to the end.

        Raises:
            AudioDecodeError: After the last block, if something is missing; the message names it.
        """
        ...

    def close(self) -> None:
        """Close the audio."""
        ...


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes as soon as there are any; none at the end."""
        ...


def read_up_to(read: Callable[[int], bytes], count: int, data: bytes = b"") -> bytes:
    """Return ``count`` bytes, the first of them ``data``; fewer where a stream ends."""
    while len(data) < count and (more := read(count - len(data))):
        data += more
    return data
