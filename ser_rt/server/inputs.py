"""From the bytes of a client to samples: one class per encoding, one entry each in `INPUTS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy.typing as npt

from ser_rt.runtime.defaults import PCM_ENCODINGS
from ser_rt.runtime.sources.pcm import decoded
from ser_rt.server.container import ContainerInput
from ser_rt.server.protocol import StreamConfig

PIECE_S = 0.5
"""Audio is heard in pieces of at most this length, and other streams have their turn between."""

Samples = npt.NDArray[Any]


class AudioInput(Protocol):
    """Decodes the bytes of one stream, however they are cut."""

    @property
    def sample_rate(self) -> int | None:
        """Rate in Hz of what it decodes; None as long as it does not know."""
        ...

    def feed(self, data: bytes) -> Iterator[Samples]:
        """Yield pieces ``[samples, channels]`` as far as bytes make whole samples."""
        ...

    def flush(self) -> Iterator[Samples]:
        """Yield what is left at the end."""
        ...

    @property
    def trailing_bytes(self) -> int:
        """Number of bytes left that are no whole sample."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class PcmInput:
    """Raw samples, channels interleaved."""

    def __init__(self, config: StreamConfig) -> None:
        """Take bytes that are as a config says."""
        self.sample_rate = config.sample_rate
        self._encoding = config.encoding.removeprefix("pcm_")
        self._channels = config.channels
        self._frame_bytes = PCM_ENCODINGS[self._encoding] * config.channels
        self._piece_bytes = round(PIECE_S * config.sample_rate) * self._frame_bytes
        self._rest = b""

    @property
    def trailing_bytes(self) -> int:
        """Number of bytes left that are no whole sample."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[Samples]:
        """Yield pieces of at most `PIECE_S`."""
        data = self._rest + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        for start in range(0, whole, self._piece_bytes):
            piece = decoded(data[start : min(whole, start + self._piece_bytes)], self._encoding)
            yield piece.reshape(-1, self._channels)

    def flush(self) -> Iterator[Samples]:
        """Yield nothing: every whole sample has been given."""
        return iter(())

    def close(self) -> None:
        """Hold nothing."""


INPUTS: dict[str, Callable[[StreamConfig], AudioInput]] = {
    "pcm_s16le": PcmInput,
    "pcm_f32le": PcmInput,
    "opus": lambda _config: ContainerInput(PIECE_S),
}
