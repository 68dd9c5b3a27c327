"""A network as an fp32 ONNX graph: from waveforms to logits, probabilities and embedding."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from ser_rt.errors import ExportError
from ser_rt.model import EmotionModel

OPSET = 20
OUTPUTS = ("logits", "probabilities", "embedding")


class Served(nn.Module):
    """What is exported: the network with its temperature and softmax.

    The logits are divided by the temperature, so that their softmax is the probabilities.
    """

    def __init__(self, model: EmotionModel, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model.eval(), temperature

    def forward(self, input_values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Classify waveforms ``[batch, samples]``."""
        outputs = self.model(input_values)
        logits = outputs["logits"] / self.temperature
        return logits, logits.softmax(dim=1), outputs["embedding"]


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
    _rename_inner(program.model.graph)
    model: onnx.ModelProto = program.model_proto
    onnx.checker.check_model(model, full_check=True)
    axes = [axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim]
    if not all(axes):
        msg = f"the graph's input axes are {axes}: both must be dynamic"
        raise ExportError(msg)
    return bytes(model.SerializeToString())


def _rename_inner(graph: Any) -> None:  # noqa: ANN401 (onnx_ir's, which comes with the exporter)
    """Rename inner values called as an output is: torch's embedding op makes an `embedding`."""
    outputs = set(map(id, graph.outputs))
    for node in graph:
        for value in node.outputs:
            if value.name in OUTPUTS and id(value) not in outputs:
                value.name += "_inner"
