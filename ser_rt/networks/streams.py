"""`stream_of`: the form with caches of any network that was trained to stream."""

from __future__ import annotations

from typing import Any

from ser_rt.errors import ConfigError
from ser_rt.networks.hop_stream import HopStream
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.wav2vec2_stream import Wav2Vec2Stream
from ser_rt.networks.whisper_stream import WhisperStream

STREAMS: dict[str, type[Wav2Vec2Stream | WhisperStream]] = {
    kind.name: kind for kind in (WhisperStream, Wav2Vec2Stream)
}
"""Networks with caches by their architecture."""


def stream_of(model: EmotionModel) -> HopStream:
    """Return a network with caches; it shares the weights.

    Raises:
        ConfigError: it was not trained to stream, or cannot keep what it attends to.
    """
    encoder: Any = model.encoder
    name = model.settings.architecture
    if name not in STREAMS or not encoder.streaming:
        msg = f"a stream needs a network that was trained with --streaming, not this {name}"
        raise ConfigError(msg)
    return STREAMS[name](model)
