"""The bundle's graph in other hands: onnxruntime as it comes, audonnx, optimum."""

from __future__ import annotations

from typing import Any

from ser_rt.benchmarks.measure.steps import Predict
from ser_rt.benchmarks.measure.variant import Variant
from ser_rt.bundle import Bundle, find_bundle
from ser_rt.classifier import FloatArray
from ser_rt.manifest import MODEL_FILE
from ser_rt.runtime.backends.ort import onnxruntime

EXECUTION = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


def options_of(variant: Variant) -> Any:
    """Return onnxruntime's own default options, but for the threads."""
    ort = onnxruntime()
    if EXECUTION[variant.device] not in ort.get_available_providers():
        msg = f"onnxruntime {ort.__version__} has no {EXECUTION[variant.device]}"
        raise RuntimeError(msg)
    options = ort.SessionOptions()
    options.intra_op_num_threads = variant.threads
    options.log_severity_level = 3
    return options


def insist(session: Any, variant: Variant) -> None:
    """Raise if onnxruntime fell back to another provider, which it does with a log line only."""
    if session.get_providers()[0] != EXECUTION[variant.device]:
        msg = f"onnxruntime fell back to {', '.join(session.get_providers())}"
        raise RuntimeError(msg)


def plain_onnxruntime(variant: Variant) -> Predict:
    """Open a session and run it."""
    options, ort = options_of(variant), onnxruntime()
    path = Bundle.load(find_bundle(variant.model)).model_path
    session = ort.InferenceSession(str(path), options, providers=[EXECUTION[variant.device]])
    insist(session, variant)

    def predict(window: FloatArray) -> FloatArray:
        found: FloatArray = session.run(["probabilities"], {"input_values": window[None]})[0][0]
        return found

    return predict


def audonnx_model(variant: Variant) -> Predict:
    """Open the graph as an audonnx model."""
    import audonnx
    import onnx

    bundle = Bundle.load(find_bundle(variant.model))
    options = options_of(variant)
    # audonnx takes inputs with one free dimension at most: the batch becomes 1.
    axes = onnx.load(bundle.model_path, load_external_data=False).graph.input[0].type.tensor_type
    options.add_free_dimension_override_by_name(axes.shape.dim[0].dim_param, 1)
    model = audonnx.Model(
        str(bundle.model_path),
        labels={"probabilities": [label.en for label in bundle.labels]},
        device=EXECUTION[variant.device],
        session_options=options,
    )
    insist(model.sess, variant)

    def predict(window: FloatArray) -> FloatArray:
        found: FloatArray = model(window[None], bundle.sample_rate, outputs="probabilities")
        return found.reshape(-1)

    return predict


def optimum_model(variant: Variant) -> Predict:
    """Open the bundle's folder with optimum; its tensors are PyTorch's."""
    import torch
    from optimum.onnxruntime import ORTModelForAudioClassification

    torch.set_num_threads(variant.threads)
    model = ORTModelForAudioClassification.from_pretrained(
        find_bundle(variant.model),
        file_name=MODEL_FILE,
        provider=EXECUTION[variant.device],
        session_options=options_of(variant),
    )

    def predict(window: FloatArray) -> FloatArray:
        waveforms = torch.from_numpy(window)[None]
        with torch.inference_mode():
            logits = model(input_values=waveforms).logits
            found: FloatArray = logits[0].softmax(dim=0).numpy()
        return found

    return predict
