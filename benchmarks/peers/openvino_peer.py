"""The bundle's graph in OpenVINO, compiled for one window at its latency setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ser_rt.bundle import Bundle, find_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from ser_rt.benchmarks.measure.variant import Variant
    from ser_rt.classifier import FloatArray

    Predict = Callable[[FloatArray], FloatArray]


def _compile(variant: Variant, **settings: Any) -> Predict:
    import openvino

    bundle = Bundle.load(find_bundle(variant.model))
    core = openvino.Core()
    model = core.read_model(bundle.model_path)
    model.reshape([1, round(variant.window_s * bundle.sample_rate)])
    config = {"INFERENCE_NUM_THREADS": variant.threads, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(model, "CPU", config | settings).create_infer_request()

    def predict(window: FloatArray) -> FloatArray:
        found: FloatArray = request.infer({"input_values": window[None]})["probabilities"][0]
        return found

    return predict


def default_precision(variant: Variant) -> Predict:
    """Compute in the graph's own precision; OpenVINO chooses where the graph leaves it open."""
    return _compile(variant)


def float32(variant: Variant) -> Predict:
    """Compute in float32, where the default would take bfloat16 on processors that have it."""
    return _compile(variant, INFERENCE_PRECISION_HINT="f32")


def bfloat16(variant: Variant) -> Predict:
    """Compute in bfloat16."""
    return _compile(variant, INFERENCE_PRECISION_HINT="bf16")
