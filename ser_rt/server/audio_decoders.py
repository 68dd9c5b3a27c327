"""Decoders from the bytes of a client to audio blocks, one for each encoding."""

from __future__ import annotations

from collections.abc import Callable

from ser_rt.audio.decoding.pcm import PcmDecoder
from ser_rt.server.container import ContainerDecoder
from ser_rt.server.protocol import StreamConfig

AudioDecoder = PcmDecoder | ContainerDecoder
"""Decoder of one stream; where its bytes are cut does not matter."""

LATENCY_S = 0.1
"""Longest block of a container; shorter blocks cost calls, longer ones latency."""


def _pcm(config: StreamConfig) -> AudioDecoder:
    return PcmDecoder(config.sample_rate, config.channels, config.encoding.removeprefix("pcm_"))


DECODERS: dict[str, Callable[[StreamConfig], AudioDecoder]] = {
    "pcm_s16le": _pcm,
    "pcm_f32le": _pcm,
    "pcm_mulaw": _pcm,
    "pcm_alaw": _pcm,
    "mulaw": _pcm,
    "alaw": _pcm,
    "opus": lambda _config: ContainerDecoder(LATENCY_S),
}
"""Decoder of each encoding of the protocol; telephone services omit the ``pcm_``."""
