"""`HopStream`, a streaming network that is given each hop once and keeps caches in between.

It has the weights of the network that it is made of, and its answers: those of the whole stream
under the mask of `ser_rt.networks.streaming`, whose chunks are the hops, pooled over the last 3 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ser_rt.errors import ConfigError
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.streaming import POOLED_FRAMES, empty_mask
from ser_rt.streaming import Cache

_KINDS = ("keys", "values")


class HopStream(nn.Module):
    """The audio of a hop and caches to logits, embedding and the caches of the next hop.

    A family of networks derives from it: it says what its front end keeps, and what a layer is.
    """

    name: ClassVar[str]
    """Of the architecture."""
    encoder: Any
    layers: nn.ModuleList
    """Each maps frames, keys, values, a mask and a bias to frames, keys and values."""

    def __init__(self, model: EmotionModel, width: int, heads: int, most: int) -> None:
        """Take over a network.

        Args:
            model: that was trained to stream.
            width: size of a frame.
            heads: of attention.
            most: largest number of frames to the left that it can keep.

        Raises:
            ConfigError: it cannot keep what it attends to.
        """
        super().__init__()
        encoder: Any = model.encoder
        self.encoder, self.head = encoder, model.head
        self.width, self.heads, self.left = width, heads, encoder.context.left
        if not 1 <= self.left <= most:
            msg = f"left_frames is {self.left}: a stream keeps 1 to {most} frames of its past"
            raise ConfigError(msg)

    @property
    def delay_s(self) -> float:
        """By how much the frames are behind the audio."""
        raise NotImplementedError

    @property
    def positions(self) -> int:
        """Frames after which positions begin again."""
        return 1

    def front_caches(self) -> tuple[Cache, ...]:
        """Return what is kept before the layers."""
        raise NotImplementedError

    def begin(
        self, audio: Tensor, front: Sequence[Tensor], done: Tensor
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return the state below the layers, what the first one gets, and the next caches.

        Args:
            audio: of a hop.
            front: the caches of `front_caches`.
            done: frames so far of each stream, ``[batch]``.
        """
        raise NotImplementedError

    def end(self, frames: Tensor) -> Tensor:
        """Return the last state, from the frames of the last layer."""
        raise NotImplementedError

    def bias(self, count: int) -> Tensor | None:  # noqa: ARG002 (for those that have one)
        """Return what is added to the scores of `count` frames, gated by each layer."""
        return None

    def caches(self) -> tuple[Cache, ...]:
        """Return the caches of one stream, in the order of `forward`."""
        ring = (self.heads, self.left, self.width // self.heads)
        scored = self.encoder.pooling.score(torch.zeros(1, self.width, 1)).shape[1]
        return (
            *self.front_caches(),
            *(
                Cache(f"{kind}_{number}", ring, "float32")
                for number in range(len(self.layers))
                for kind in _KINDS
            ),
            Cache("pooled_frames", (self.width, POOLED_FRAMES), "float32"),
            Cache("pooled_scores", (scored, POOLED_FRAMES), "float32"),
            Cache("frames_done", (), "int64"),
        )

    def forward(
        self, audio: Tensor, caches: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Classify a hop ``[batch, samples]``, a multiple of `STRIDE` samples, of every stream.

        Returns:
            Logits, embedding, and the caches of the next hop.
        """
        fronts = len(caches) - len(_KINDS) * len(self.layers) - 3
        front, keys_and_values = caches[:fronts], caches[fronts:-3]
        pooled, scores, done = caches[-3:]
        encoder = self.encoder
        first, frames, front = self.begin(audio, front, done)
        count = frames.shape[1]
        done = done + count
        past = done - encoder.future_frames
        mask = empty_mask(past, self.left + count)[:, None, None]
        bias = self.bias(count)
        states, kept = [first], []
        for number, layer in enumerate(self.layers):
            keys, values = keys_and_values[2 * number : 2 * number + 2]
            frames, keys, values = layer(frames, keys, values, mask, bias)
            states.append(frames)
            kept += [keys, values]
        states[-1] = self.end(frames)
        mixed = encoder.mix(states).transpose(1, 2)
        pooled = torch.cat([pooled, mixed], dim=2)[..., -POOLED_FRAMES:]
        scores = torch.cat([scores, encoder.pooling.score(mixed)], dim=2)[..., -POOLED_FRAMES:]
        weights = (scores + empty_mask(past, POOLED_FRAMES).unsqueeze(1)).softmax(dim=2)
        embedding = encoder.projection(encoder.pooling.pool(pooled, weights))
        return self.head(embedding), embedding, (*front, *kept, pooled, scores, done)


def fresh(caches: Sequence[Cache], batch: int) -> tuple[Tensor, ...]:
    """Return the caches of fresh streams."""
    return tuple(torch.from_numpy(cache.zeros(batch)) for cache in caches)
