"""Chunk-wise attention: masks that let a whole window be computed as a stream with caches would.

A stream arrives in chunks. A frame attends to every frame of its own chunk, and to a fixed number
of frames before the first one of that chunk, which a stream has in its cache of keys and values.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ser_rt.constants import SAMPLE_RATE

STRIDE = 320
"""Samples from one frame to the next, in every network that streams."""
POOLED_S = 3.0
"""Latest audio that an answer of a stream is pooled over: the window of training."""
POOLED_FRAMES = round(POOLED_S * SAMPLE_RATE / STRIDE)
CHUNKS = (5, 10, 25, 50, 0)
"""Frames in a chunk that training draws from; 0 is the whole window."""
LEFT = (50, 150)
"""Least and most frames to the left of a chunk that training draws from."""
MOST_HOPS = 8
"""Hops of a window that training has an answer for: each keeps what it pools in memory."""
MASKED = -1e4  # its exponential is 0, also in half precision


class AttentionContext(NamedTuple):
    """What a frame attends to."""

    chunk: int = 0
    """Frames in a chunk; 0 is the whole window, and then `left` has no meaning."""
    left: int = 0
    """Frames before the chunk."""
    hops: tuple[int, ...] = ()
    """Frames in each chunk, where they differ; their sum is that of all frames."""


def draw_context() -> AttentionContext:
    """Draw the context of a training batch from torch's generator."""
    chunk = CHUNKS[int(torch.randint(len(CHUNKS), ()))]
    return AttentionContext(chunk, int(torch.randint(LEFT[0], LEFT[1] + 1, ())))


def draw_ends(frames: int, chunk: int, ahead: int) -> list[int]:
    """Draw hops to answer at the end of, the last one among them.

    Args:
        frames: in the window.
        chunk: frames in a hop; 0 is one hop.
        ahead: frames that the first hop lacks.

    Returns:
        At most `MOST_HOPS` numbers of frames, in order.
    """
    ends = range(chunk - ahead % chunk, frames, chunk) if chunk else range(0)
    drawn = torch.randperm(len(ends))[: MOST_HOPS - 1].sort().values.tolist()
    return [*(ends[number] for number in drawn), frames]


def attention_mask(frames: Tensor, context: AttentionContext) -> Tensor | None:
    """Return what is added to attention's scores, ``[1, 1, frames, frames]``; None masks nothing.

    Args:
        frames: numbers of the frames, ``0 ... count - 1``.
        context: what each of them attends to.
    """
    if context.hops:
        sizes = torch.tensor(context.hops)
        start = (sizes.cumsum(0) - sizes).repeat_interleave(sizes).unsqueeze(1)
        end = start + sizes.repeat_interleave(sizes).unsqueeze(1)
    elif context.chunk:
        start = (frames // context.chunk * context.chunk).unsqueeze(1)
        end = start + context.chunk
    else:
        return None
    hidden = (frames < start - context.left) | (frames >= end)
    return (hidden.float() * MASKED)[None, None]


def empty_mask(count: Tensor, size: int) -> Tensor:
    """Return what is added to the scores of the last `size` frames, of which `count` are there.

    Args:
        count: frames so far of each stream, ``[batch]``.
        size: of the ring that they lie in, the newest one last.
    """
    hidden = torch.arange(size) < size - count.unsqueeze(1)
    return hidden.float() * MASKED


def draw_positions(batch: int, frames: Tensor, table: int) -> Tensor:
    """Draw where in a table of positions each clip of a training batch starts; it wraps around.

    Returns:
        Rows of the table, ``[batch, frames]``.
    """
    starts = torch.randint(table, (batch, 1)).to(frames.device)
    return (starts + frames) % table
