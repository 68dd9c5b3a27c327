"""The bundle's graph in OpenVINO, compiled for one window at its latency setting."""

from __future__ import annotations

from ser_rt.benchmarks.measure.steps import Predict
from ser_rt.benchmarks.measure.variant import Variant
from ser_rt.bundle import Bundle, find_bundle
from ser_rt.classifier import FloatArray

HINTS = {"fp32": "f32", "bf16": "bf16"}
"""Types to compute in, by precision: the default for float32 takes bfloat16 where there is some."""


def openvino_model(variant: Variant) -> Predict:
    """Compile the graph; OpenVINO chooses the types of precisions without a hint."""
    import openvino

    bundle = Bundle.load(find_bundle(variant.model))
    core = openvino.Core()
    model = core.read_model(bundle.model_path)
    model.reshape([1, round(variant.window_s * bundle.sample_rate)])
    config = {"INFERENCE_NUM_THREADS": variant.threads, "PERFORMANCE_HINT": "LATENCY"}
    if variant.precision in HINTS:
        config["INFERENCE_PRECISION_HINT"] = HINTS[variant.precision]
    request = core.compile_model(model, "CPU", config).create_infer_request()

    def predict(window: FloatArray) -> FloatArray:
        found: FloatArray = request.infer({"input_values": window[None]})["probabilities"][0]
        return found

    return predict
