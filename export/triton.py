"""A bundle as a model of a Triton Inference Server repository.

    repository/
      <name>/
        config.pbtxt           batching, where it runs, names of inputs and outputs
        1/model.onnx           a version; the next push becomes 2
        1/model.py             for the python backend: triton_model.py
      <name>-stream/           for the python backend, of a network that streams
        config.pbtxt           sequence batching: triton_stream.py
        1/stream.onnx
        1/model.py             triton_stream_model.py

Format: `ModelConfig` in Triton's model_config.proto.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

from ser_rt.bundle import Bundle
from ser_rt.errors import ConfigError, OutputError
from ser_rt.export.files import DATA_FILE, read_structure
from ser_rt.export.triton_stream import stream_config
from ser_rt.files.names import printable
from ser_rt.files.writing import write_bytes

MAX_BATCH = 32
_QUEUE_DELAY_US = 5_000
_CONFIG = "config.pbtxt"
_WORKSPACE_BYTES = 2**31
_OWNER = re.compile(r'key: "bundle" value { string_value: "([^"]*)" }')
"""The name of the bundle that a model is of, with percent signs for what ASCII lacks."""
_ON_CPU = "instance_group [ { count: 1 kind: KIND_CPU } ]"


def push_triton(bundle: Bundle, repository: Path, backend: str = "onnxruntime") -> Path:
    """Add a bundle's graph to a model repository, as a new version of the model of its name.

    With the python backend the graph with caches, of a network that streams, is added as well.

    Args:
        bundle: the model to serve.
        repository: folder of Triton models, made if it is not there.
        backend: of Triton, a name in `BACKENDS`. All versions of a model have the last one's.

    Returns:
        The version's folder, of the graph of windows.

    Raises:
        ConfigError: there is no such backend.
        OutputError: the repository cannot be written, or a folder of this name is no model, or one
            of another bundle.
    """
    check_backend(backend)
    folder = model_folder(bundle.name, repository)
    if backend == "python" and bundle.streaming is not None:
        beside = model_folder(bundle.name, repository, "-stream")
        config = stream_config(bundle.streaming, beside.name, _columns(bundle))
        files = (bundle.streaming.graph.name, DATA_FILE)
        _push(bundle, beside, config, files, "triton_stream_model.py")
    model = "triton_model.py" if backend == "python" else None
    config = triton_config(bundle, folder.name, backend)
    return _push(bundle, folder, config, (bundle.model_path.name, DATA_FILE), model)


def model_folder(name: str, repository: Path, suffix: str = "") -> Path:
    """Return where a repository has a bundle's model; its name has letters of ASCII alone.

    Raises:
        OutputError: there is something else, such as the model of a bundle with another name of
            which the same letters remain.
    """
    folder = repository / (re.sub(r"[^A-Za-z0-9_.-]", "_", name) + suffix)
    config = folder / _CONFIG
    if folder.exists() and not config.is_file():
        msg = f"{folder} holds files that are no Triton model; choose another repository or name"
        raise OutputError(msg)
    found = _OWNER.search(config.read_text("utf-8", "replace")) if folder.exists() else None
    if found and found[1] != quote(name):
        msg = (
            f"{printable(folder)} is the model of {printable(unquote(found[1]))!r}, whose name is "
            f"the same as that of {printable(name)!r} in Triton: choose another repository or name"
        )
        raise OutputError(msg)
    return folder


def _push(
    bundle: Bundle, model: Path, config: str, files: tuple[str, ...], program: str | None
) -> Path:
    """Write files of a bundle and a program as the next version of a model; return its folder."""
    repository = model.parent
    owner = f'parameters {{ key: "bundle" value {{ string_value: "{quote(bundle.name)}" }} }}'
    config = f"{config}{owner}\n"
    try:
        repository.mkdir(parents=True, exist_ok=True)
        version = model / str(1 + max(_versions(model), default=0))
        with tempfile.TemporaryDirectory(prefix=f".{model.name}.", dir=repository) as temporary:
            fresh = Path(temporary) / model.name
            _write_version(bundle, fresh / version.name, files, program)
            if model.exists():
                (fresh / version.name).rename(version)
                write_bytes(model / _CONFIG, config.encode())
            else:
                (fresh / _CONFIG).write_text(config, encoding="utf-8")
                fresh.rename(model)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        msg = f"cannot write the Triton model {model}: {error}"
        raise OutputError(msg) from error
    return version


def triton_config(bundle: Bundle, name: str, backend: str) -> str:
    """Return Triton's configuration of a bundle's graph, in protobuf's text format."""
    shown = ",".join(
        f' {{ name: "{out}" data_type: TYPE_FP32 dims: [ {size} ] }}'
        for out, size in _columns(bundle).items()
    )
    blocks = [
        f'name: "{name}"',
        f"max_batch_size: {MAX_BATCH}",
        'input [ { name: "input_values" data_type: TYPE_FP32 dims: [ -1 ] } ]',
        f"output [{shown} ]",
        _batching((4, 8, 16, MAX_BATCH)),
        "version_policy { latest { num_versions: 1 } }",
        *BACKENDS[backend](bundle),
        _warm_up(round(bundle.window_s * bundle.sample_rate)),
    ]
    return "\n".join(blocks) + "\n"


def _columns(bundle: Bundle) -> dict[str, int]:
    """Return the size of each output."""
    outputs = read_structure(bundle.model_path).graph.output
    return {out.name: out.type.tensor_type.shape.dim[-1].dim_value for out in outputs}


def check_backend(name: str) -> None:
    """Raise `ConfigError` where there is no such backend."""
    if name not in BACKENDS:
        msg = f"no Triton backend {name!r}; there are {', '.join(BACKENDS)}"
        raise ConfigError(msg)


def _on_onnxruntime(bundle: Bundle) -> list[str]:
    """Return the settings of one instance on a GPU, with TensorRT; int8 runs on the CPU.

    TensorRT lacks the operators of int8 graphs.
    """
    where = [_ON_CPU]
    if bundle.precision != "int8":
        precision = "FP16" if bundle.precision == "fp16" else "FP32"
        where = ["instance_group [ { count: 1 kind: KIND_GPU } ]", _tensorrt(precision)]
    return ['platform: "onnxruntime_onnx"', *where]


def _on_python(_: Bundle) -> list[str]:
    return ['backend: "python"', _ON_CPU]


BACKENDS: dict[str, Callable[[Bundle], list[str]]] = {
    "onnxruntime": _on_onnxruntime,
    "python": _on_python,
}
"""Triton's backends for a graph; python is for servers that lack onnxruntime."""


def _batching(preferred: tuple[int, ...]) -> str:
    """Return the setting that batches requests which arrive within a few milliseconds."""
    sizes = ", ".join(map(str, preferred))
    wait = f"max_queue_delay_microseconds: {_QUEUE_DELAY_US}"
    return f"dynamic_batching {{ preferred_batch_size: [ {sizes} ] {wait} }}"


def _tensorrt(precision: str) -> str:
    return (
        "optimization { execution_accelerators { gpu_execution_accelerator [ {\n"
        '  name: "tensorrt"\n'
        f'  parameters {{ key: "precision_mode" value: "{precision}" }}\n'
        f'  parameters {{ key: "max_workspace_size_bytes" value: "{_WORKSPACE_BYTES}" }}\n'
        '  parameters { key: "trt_engine_cache_enable" value: "true" }\n'
        "} ] } }"
    )


def _warm_up(samples: int) -> str:
    """Return the setting that runs a window of silence before the first request."""
    shape = f"data_type: TYPE_FP32 dims: [ {samples} ] zero_data: true"
    waveforms = f'inputs {{ key: "input_values" value: {{ {shape} }} }}'
    return f'model_warmup [ {{ name: "window" batch_size: 1 {waveforms} }} ]'


def _versions(model: Path) -> list[int]:
    if not model.is_dir():
        return []
    return [int(path.name) for path in model.iterdir() if path.name.isdecimal()]


def _write_version(
    bundle: Bundle, folder: Path, files: tuple[str, ...], program: str | None
) -> None:
    folder.mkdir(parents=True)
    for name in files:
        if (bundle.folder / name).exists():
            shutil.copyfile(bundle.folder / name, folder / name)
    if program is not None:
        shutil.copyfile(Path(__file__).with_name(program), folder / "model.py")
