"""The reference of a stream: the whole network under the mask of its hops, in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ser_rt.export.verify import ModelOutputs, outputs_of
from ser_rt.networks.streaming import POOLED_FRAMES, STRIDE, AttentionContext

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray
    from ser_rt.export.stream_graph import ServedStream
    from ser_rt.streaming import Streaming


class StreamOutputs(NamedTuple):
    """A stream cut into hops, and the network's outputs after each of them."""

    name: str
    frames: tuple[int, ...]
    """Frames in each hop."""
    outputs: ModelOutputs
    """``[hops, ...]``."""


def run_reference(
    network: ServedStream, audio: FloatArray, streaming: Streaming
) -> list[StreamOutputs]:
    """Run a whole stream ``[samples]`` through the network, cut at its default hop and at random.

    The cost is that of attention over the whole stream.
    """
    default = round(streaming.hop_s * network.sample_rate) // STRIDE
    total = len(audio) // STRIDE
    # A stream that looks ahead has no answer before its first frame.
    ahead = network.model.encoder.future_frames
    first = default * (ahead // default + 1)
    cuts = {
        "the default hop": [first, *[default] * ((total - first) // default)],
        "mixed hops": [ahead + 1, *_mixed(total - ahead - 1)],
    }
    return [
        StreamOutputs(name, tuple(hops), whole(network, audio, hops)) for name, hops in cuts.items()
    ]


@torch.inference_mode()
def whole(network: ServedStream, audio: FloatArray, hops: Sequence[int]) -> ModelOutputs:
    """Return the outputs after each hop, computed from all frames at once.

    Args:
        network: whose weights are used, without its caches.
        audio: the stream, ``[samples]``.
        hops: frames in each hop.
    """
    encoder = network.model.encoder
    wave = torch.from_numpy(audio[: sum(hops) * STRIDE])[None]
    context = AttentionContext(left=encoder.context.left, hops=tuple(hops))
    frames = encoder.frames(wave, context)
    ends = np.cumsum(hops) - encoder.future_frames
    pooled = [encoder.pooling(frames[..., max(0, end - POOLED_FRAMES) : end]) for end in ends]
    embedding = encoder.projection(torch.cat(pooled))
    logits = network.model.head(embedding) / network.temperature
    outputs = [logits, logits.softmax(dim=1), embedding]
    if network.rater is not None:
        outputs.append(network.rater(embedding))
    return outputs_of([output.numpy() for output in outputs])


def _mixed(frames: int) -> list[int]:
    """Cut into hops of every size from one frame to 1 s, in a random order."""
    sizes = np.random.default_rng(0).permutation(np.arange(1, 51)).tolist()
    hops: list[int] = []
    while frames:
        hops.append(min(frames, sizes[len(hops) % len(sizes)]))
        frames -= hops[-1]
    return hops
