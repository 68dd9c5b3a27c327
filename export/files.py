"""Graphs on disk: small ones in one file, large ones with external weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir
import onnxruntime
from onnx import TensorProto
from onnx.external_data_helper import set_external_data
from onnx_ir.passes.common import ClearMetadataAndDocStringPass

from ser_rt.errors import ExportError
from ser_rt.manifest import MODEL_FILE

DATA_FILE = f"{MODEL_FILE}.data"
"""Weights of every graph of a bundle whose weights are not in the graph."""

EXTERNAL_ABOVE_BYTES = 64 * 2**20
"""Weights of more than this lie beside the graph, where they load faster and may pass 2 GB."""

_SMALL_TENSOR_BYTES = 1024
_ALIGNMENT = 64

Batch = npt.NDArray[np.float32] | Mapping[str, npt.NDArray[Any]]
"""What a graph runs on: its only input, or all of them by name."""


def save_graph(
    model: onnx.ModelProto,
    folder: Path,
    name: str = MODEL_FILE,
    *,
    external: bool = False,
    written: dict[str, int] | None = None,
) -> Path:
    """Write a graph, and its weights beside it if they are large or `external`; `model` is spent.

    Metadata of the exporter is left out, as it has paths of the machine that made the graph.

    Args:
        model: the graph.
        folder: where to write.
        name: of the file.
        external: whether weights lie beside it in any case.
        written: offsets of the weights that the folder's other graphs have there, by sha256: the
            same ones are not written again, and new ones are added.
    """
    weights = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    model = _without_origin(model)
    if external or weights > EXTERNAL_ABOVE_BYTES:
        _move_weights(model.graph, folder / DATA_FILE, {} if written is None else written)
    onnx.save_model(model, folder / name)
    return folder / name


def _move_weights(graph: onnx.GraphProto, path: Path, written: dict[str, int]) -> None:
    with path.open("ab" if written else "wb") as file:
        for tensor in graph.initializer:
            if (size := len(tensor.raw_data)) < _SMALL_TENSOR_BYTES:
                continue
            key = hashlib.sha256(tensor.raw_data).hexdigest()
            if key not in written:
                file.write(b"\0" * (-file.tell() % _ALIGNMENT))
                written[key] = file.tell()
                file.write(tensor.raw_data)
            set_external_data(tensor, path.name, written[key], size)
            tensor.ClearField("raw_data")


def read_structure(path: Path) -> onnx.ModelProto:
    """Read a graph, leaving weights that lie beside it where they are."""
    return onnx.load(path, load_external_data=False)


def save_structure(model: onnx.ModelProto, path: Path) -> Path:
    """Write a graph whose weights are where `read_structure` left them: in the same folder."""
    onnx.save_model(model, path)
    return path


def check(path: Path) -> None:
    """Run onnx's checker and shape inference on a graph, which may be above 2 GB.

    Raises:
        ExportError: the graph is not valid.
    """
    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        msg = f"{path.name} is no valid graph: {str(error).splitlines()[0]}"
        raise ExportError(msg) from error


def open_session(graph: Path | bytes) -> onnxruntime.InferenceSession:
    """Load a graph on the CPU, from a file or from the bytes of one.

    Raises:
        ExportError: onnxruntime cannot load it.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # lengths vary, and patterns of each would be kept
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors have no common base below Exception
        name = graph.name if isinstance(graph, Path) else "a graph"
        msg = f"onnxruntime does not load {name}: {str(error).splitlines()[0]}"
        raise ExportError(msg) from error


def feed(graph: onnx.GraphProto, batch: Batch) -> dict[str, npt.NDArray[Any]]:
    """Return a batch by the names of a graph's inputs."""
    if isinstance(batch, Mapping):
        return dict(batch)
    return {graph.input[0].name: batch.astype(np.float32, copy=False)}


def float_tensors(model: onnx.ModelProto, kind: int = TensorProto.FLOAT) -> set[str]:
    """Return the names of a graph's computed values of an element type."""
    computed = {name for node in model.graph.node for name in node.output}
    known = (*model.graph.value_info, *model.graph.output)
    return {v.name for v in known if v.type.tensor_type.elem_type == kind} & computed


def _without_origin(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the exporter's notes on each node: stack traces with this machine's paths."""
    nameless = onnx_ir.from_proto(model)
    ClearMetadataAndDocStringPass()(nameless)
    return onnx_ir.to_proto(nameless)
