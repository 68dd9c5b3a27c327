"""A network as an fp32 ONNX graph: from waveforms to logits, probabilities and embedding."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence

import onnx
import torch
from onnx_ir.passes.common import CommonSubexpressionEliminationPass, DeduplicateInitializersPass
from torch import Tensor, nn

from ser_rt.errors import ExportError
from ser_rt.model import EmotionModel

OPSET = 20
_SHARED_VALUES = 1_000_000
OUTPUTS = ("logits", "probabilities", "embedding")


class Served(nn.Module):
    """What is exported: the mean of one network's logits or several's, temperature and softmax.

    The logits are divided by the temperature, so that their softmax is the probabilities. The
    embedding is that of all networks, one behind the other.
    """

    def __init__(self, models: Sequence[EmotionModel], temperature: float) -> None:
        super().__init__()
        self.models, self.temperature = nn.ModuleList(models).eval(), temperature

    def forward(self, input_values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Classify waveforms ``[batch, samples]``."""
        outputs = [model(input_values) for model in self.models]
        logits = torch.stack([output["logits"] for output in outputs]).mean(dim=0)
        logits = logits / self.temperature
        embedding = torch.cat([output["embedding"] for output in outputs], dim=1)
        return logits, logits.softmax(dim=1), embedding


def to_onnx(network: Served, sample_rate: int) -> bytes:
    """Trace a network into an ONNX model whose batch and samples are dynamic.

    Raises:
        ExportError: the tracer fails, or an axis that must be dynamic is not.
    """
    example = torch.randn(2, 2 * sample_rate + 137, generator=torch.Generator().manual_seed(0))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter's own deprecations
            program = torch.onnx.export(
                network.eval(),
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["input_values"],
                output_names=list(OUTPUTS),
                dynamic_shapes=({0: torch.export.Dim("batch"), 1: torch.export.Dim("samples")},),
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        msg = f"cannot trace the network: {str(error).splitlines()[0]}"
        raise ExportError(msg) from error
    if program is None:
        msg = "the exporter returned no graph; export again with another torch version"
        raise ExportError(msg)
    # Networks of an ensemble compute the same features: once is enough.
    DeduplicateInitializersPass(size_limit=_SHARED_VALUES)(program.model)
    CommonSubexpressionEliminationPass()(program.model)
    model: onnx.ModelProto = program.model_proto
    onnx.checker.check_model(model, full_check=True)
    axes = [axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim]
    if not all(axes):
        msg = f"the graph's input axes are {axes}: both must be dynamic"
        raise ExportError(msg)
    return bytes(model.SerializeToString())
