"""Graphs on disk: small ones in one file, large ones with external weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import onnx_ir
import onnxruntime
from onnx import TensorProto
from onnx_ir.passes.common import ClearMetadataAndDocStringPass

from ser_rt.errors import ExportError
from ser_rt.manifest import MODEL_FILE

DATA_FILE = f"{MODEL_FILE}.data"
"""Weights of every graph of a bundle whose weights are not in the graph."""

EXTERNAL_ABOVE_BYTES = 64 * 2**20
"""Weights of more than this lie beside the graph, where they load faster and may pass 2 GB."""

_SMALL_TENSOR_BYTES = 1024


def save_graph(model: onnx.ModelProto, folder: Path, *, external: bool = False) -> Path:
    """Write a graph, and its weights beside it if they are large or `external`; `model` is spent.

    Metadata of the exporter is left out, as it has paths of the machine that made the graph.
    """
    path = folder / MODEL_FILE
    weights = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    model = _without_origin(model)
    if external or weights > EXTERNAL_ABOVE_BYTES:
        onnx.save_model(
            model,
            path,
            save_as_external_data=True,
            location=DATA_FILE,
            size_threshold=_SMALL_TENSOR_BYTES,
        )
        shutil.copymode(path, folder / DATA_FILE)  # onnx lets its owner alone read it
    else:
        onnx.save_model(model, path)
    return path


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
