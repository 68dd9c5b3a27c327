"""Model of Triton's python backend: runs a bundle's graph with onnxruntime on the CPU.

`triton.push_triton` copies this file beside the graph: it stands alone, without ser-rt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton

_INPUT = "input_values"


class TritonPythonModel:
    """The class that the python backend looks for by name."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph of this version."""
        graph = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        options = onnxruntime.SessionOptions()
        # Idle threads leave the cores to other processes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Run requests as one batch; Triton batches only those of equal length."""
        names = sorted({name for request in requests for name in request.requested_output_names()})
        waveforms = [
            triton.get_input_tensor_by_name(request, _INPUT).as_numpy() for request in requests
        ]
        ends = np.cumsum([len(rows) for rows in waveforms])[:-1]
        outputs = self._session.run(names, {_INPUT: np.concatenate(waveforms)})
        return [
            triton.InferenceResponse([triton.Tensor(*one) for one in zip(names, rows, strict=True)])
            for rows in zip(*(np.split(values, ends) for values in outputs), strict=True)
        ]
