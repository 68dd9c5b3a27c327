"""A streaming network as an fp32 ONNX graph: from a hop and caches to answers and caches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from ser_rt.constants import SAMPLE_RATE
from ser_rt.export.graph import DIMENSIONS, OUTPUTS, trace
from ser_rt.export.opsets import OPSET
from ser_rt.manifest import STREAM_FILE
from ser_rt.networks.folding import fold
from ser_rt.networks.hop_stream import HopStream, fresh
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.streaming import CHUNKS, POOLED_S, STRIDE
from ser_rt.networks.streams import stream_of
from ser_rt.streaming import AUDIO, Streaming

HOPS_S = tuple(frames * STRIDE / SAMPLE_RATE for frames in (min(filter(None, CHUNKS)), max(CHUNKS)))
"""Shortest and longest hop: those of the chunks that training draws from."""
_BATCH, _FRAMES = 2, 7


class ServedStream(nn.Module):
    """The exported module: a streaming network with its temperature and softmax."""

    def __init__(self, model: EmotionModel, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = stream_of(model).eval(), temperature
        self.rater = model.rater
        self.sample_rate = model.settings.sample_rate

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what a call returns, before the caches."""
        return OUTPUTS if self.rater is None else (*OUTPUTS, DIMENSIONS)

    def forward(self, audio: Tensor, caches: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Classify a hop; the results of `Served`, then the caches of the next hop."""
        logits, embedding, following = self.model(audio, caches)
        logits = logits / self.temperature
        rated = () if self.rater is None else (self.rater(embedding),)
        return logits, logits.softmax(dim=1), embedding, *rated, *following


def describe(stream: HopStream, sample_rate: int) -> Streaming:
    """Return the entry of the bundle's manifest."""
    context = stream.encoder.context
    return Streaming(
        graph=Path(STREAM_FILE),
        frame_samples=STRIDE,
        hop_s=context.chunk * STRIDE / sample_rate,
        min_hop_s=HOPS_S[0],
        max_hop_s=HOPS_S[1],
        left_s=context.left * STRIDE / sample_rate,
        pooled_s=POOLED_S,
        delay_s=stream.delay_s,
        caches=stream.caches(),
    )


def stream_to_onnx(network: ServedStream, opset: int = OPSET) -> onnx.ModelProto:
    """Trace a streaming network into an ONNX model whose batch and hop are dynamic.

    Raises:
        ConfigError: no such opset.
        ExportError: the tracer fails, or an op was taken apart.
    """
    fold(network)
    caches = network.model.caches()
    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames", min=1)
    audio = torch.randn(_BATCH, _FRAMES * STRIDE, generator=torch.Generator().manual_seed(0))
    model = trace(
        network,
        (audio, fresh(caches, _BATCH)),
        ({0: batch, 1: STRIDE * frames}, tuple({0: batch} for _ in caches)),
        [AUDIO, *(cache.name for cache in caches)],
        [*network.outputs, *(cache.next_name for cache in caches)],
        opset,
    )
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "hop_samples"
    return model
