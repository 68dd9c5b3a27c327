"""Model of Triton's python backend: streams, whose caches stay in the server between hops.

`triton.push_triton` copies this file beside the graph with caches: it stands alone, without ser-rt.
Triton's sequence batcher gives each request the id of its sequence, and says where one starts and
ends.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton

_AUDIO = "audio"
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64}


class TritonPythonModel:
    """The class that the python backend looks for by name."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph of this version."""
        parameters = json.loads(args["model_config"])["parameters"]
        self._frame = int(parameters["frame_samples"]["string_value"])
        self._most = int(parameters["most_streams"]["string_value"])
        graph = Path(args["model_repository"]) / args["model_version"] / "stream.onnx"
        options = onnxruntime.SessionOptions()
        # Idle threads leave the cores to other processes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        inputs = [given for given in self._session.get_inputs() if given.name != _AUDIO]
        self._fresh = {
            given.name: np.zeros((1, *given.shape[1:]), _TYPES[given.type]) for given in inputs
        }
        self._streams: OrderedDict[Any, dict[str, Any]] = OrderedDict()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Compute the hop of each request in turn; on a processor a batch gains nothing."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        audio, stream = _values(request, _AUDIO), _values(request, "CORRID").item()
        if audio.shape[0] != 1 or not audio.shape[1] or audio.shape[1] % self._frame:
            return _refused(f"audio must be [1, n x {self._frame}], not {list(audio.shape)}")
        caches = self._streams.pop(stream, None)
        if _values(request, "START").item():
            caches = self._fresh
        if caches is None:
            return _refused(f"stream {stream} has no caches here: start it again")
        outputs = [output.name for output in self._session.get_outputs()]
        values = self._session.run(outputs, {_AUDIO: audio, **caches})
        found = dict(zip(outputs, values, strict=True))
        if not _values(request, "END").item():
            self._streams[stream] = {cache: found[f"{cache}_next"] for cache in self._fresh}
        if len(self._streams) > self._most:  # a client that never ended its stream
            self._streams.popitem(last=False)
        names = request.requested_output_names()
        return triton.InferenceResponse([triton.Tensor(name, found[name]) for name in names])


def _refused(why: str) -> Any:
    return triton.InferenceResponse(error=triton.TritonError(why))


def _values(request: Any, name: str) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = triton.get_input_tensor_by_name(request, name).as_numpy()
    return found
