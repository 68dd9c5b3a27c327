"""A network as an fp32 ONNX graph: from waveforms to logits, probabilities and embedding."""

from __future__ import annotations

import io
import logging
import warnings
from ast import literal_eval
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import onnx
import onnx_ir
import torch
from torch import Tensor, nn

from ser_rt.errors import ExportError
from ser_rt.export.naming import name_weights
from ser_rt.export.operators import assert_kept
from ser_rt.export.opsets import OPSET, check_opset
from ser_rt.networks.folding import fold
from ser_rt.networks.model import EmotionModel

OUTPUTS = ("logits", "probabilities", "embedding")
DIMENSIONS = "dimensions"
"""Name of one more output, of a network that rates any."""
FEATURES = "features"
"""Name of the convolutions' output, in a graph that has them: the point where it can be split."""

_SCOPES = "pkg.torch.onnx.name_scopes"
_PROJECTION = "feature_projection"
_NOISY = ("torch.onnx", "onnxscript", "onnx_ir")


class Served(nn.Module):
    """The exported module: the network with its temperature and softmax.

    The logits are divided by the temperature, so that their softmax is the probabilities.
    """

    def __init__(self, model: EmotionModel, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model.eval(), temperature

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what a call returns."""
        return OUTPUTS if self.model.rater is None else (*OUTPUTS, DIMENSIONS)

    def forward(self, input_values: Tensor) -> tuple[Tensor, ...]:
        """Classify waveforms ``[batch, samples]``."""
        outputs = self.model(input_values)
        logits = outputs["logits"] / self.temperature
        rated = (outputs["dimensions"],) if "dimensions" in outputs else ()
        return logits, logits.softmax(dim=1), outputs["embedding"], *rated


def to_onnx(network: Served, sample_rate: int, opset: int = OPSET) -> onnx.ModelProto:
    """Trace a network into an ONNX model whose batch and samples are dynamic.

    Every LayerNormalization and every GELU of the network is one op of the graph.

    Raises:
        ConfigError: no such opset.
        ExportError: the tracer fails, an axis that must be dynamic is not, or an op was taken
            apart.
    """
    fold(network)
    example = torch.randn(2, 2 * sample_rate + 137, generator=torch.Generator().manual_seed(0))
    samples = torch.export.Dim("samples", min=network.model.encoder.min_samples)
    axes = ({0: torch.export.Dim("batch"), 1: samples},)
    model = trace(network, (example,), axes, ["input_values"], network.outputs, opset)
    sizes = [axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim]
    if not all(sizes):
        msg = f"the graph's input axes are {sizes}: both must be dynamic"
        raise ExportError(msg)
    return model


def trace(
    network: nn.Module,
    example: tuple[Any, ...],
    axes: tuple[Any, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int,
) -> onnx.ModelProto:
    """Trace a network, whose weights are folded, into an ONNX model.

    Args:
        network: to trace.
        example: its arguments.
        axes: dynamic axes of each, as of `torch.export`.
        inputs: names of the tensors in the arguments.
        outputs: names of those that it returns.
        opset: of ONNX.

    Raises:
        ConfigError: no such opset.
        ExportError: the tracer fails, or an op was taken apart.
    """
    check_opset(opset)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network.eval(),
                example,
                dynamo=True,
                opset_version=opset,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=axes,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        msg = f"cannot trace the network: {str(error).splitlines()[0]}"
        raise ExportError(msg) from error
    if program is None:
        msg = "the exporter returned no graph; export again with another torch version"
        raise ExportError(msg)
    _name_values(program.model.graph)
    name_weights(program.model, network)
    model: onnx.ModelProto = program.model_proto
    _check_opset_of(model, opset)
    assert_kept(model, network, example)
    return model


def scope_of(node: onnx_ir.Node) -> str:
    """Return the module of the network that a node came from, such as ``model.encoder.pooling``."""
    scopes = node.metadata_props.get(_SCOPES, "")
    return str(literal_eval(scopes)[-2]) if scopes.count(",") else ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's own deprecations and notes, some of which are printed."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


def _name_values(graph: onnx_ir.Graph) -> None:
    """Name the features, and rename inner values called as an output is (torch's embedding op)."""
    outputs = set(map(id, graph.outputs))
    projection: set[int] = set()
    features: dict[int, onnx_ir.Value] = {}
    for node in graph:
        for value in node.outputs:
            if value.name in {*OUTPUTS, DIMENSIONS, FEATURES} and id(value) not in outputs:
                value.name += "_inner"
        if _PROJECTION in scope_of(node):
            projection |= set(map(id, node.outputs))
            for given in node.inputs:
                if given is not None and given.producer() and id(given) not in projection:
                    features[id(given)] = given
    if len(features) == 1:
        next(iter(features.values())).name = FEATURES


def _check_opset_of(model: onnx.ModelProto, opset: int) -> None:
    found = next(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"})
    if found != opset:
        msg = f"the exporter wrote opset {found} instead of {opset}: export with --opset {found}"
        raise ExportError(msg)
