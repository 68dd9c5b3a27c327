"""PyTorch's ways: eager, compiled, in half precision, as CUDA graphs, and transformers' pipeline.

All run in `torch.inference_mode` with scaled-dot-product attention, transformers' own default, and
return probabilities on the CPU, so a GPU's copies count.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ser_rt.benchmarks.measure.steps import Predict
from ser_rt.benchmarks.measure.variant import Variant
from ser_rt.classifier import FloatArray
from ser_rt.networks.checkpoint import load_model
from ser_rt.networks.model import EmotionModel

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Probabilities(nn.Module):
    """The network with its temperature and softmax, as export freezes it."""

    def __init__(self, model: EmotionModel, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(self, waveforms: Tensor) -> Tensor:
        """Classify waveforms ``[batch, samples]`` into float32 ``[batch, labels]``."""
        logits = self.model(waveforms)["logits"].float() / self.temperature
        probabilities: Tensor = logits.softmax(dim=1)
        return probabilities


def dtype_of(variant: Variant) -> torch.dtype:
    """Return the type of weights and activations."""
    return _DTYPES.get(variant.precision, torch.float32)


def load(variant: Variant) -> Probabilities:
    """Load a run's network onto the variant's device, in its precision."""
    torch.set_num_threads(variant.threads)
    if variant.device == "cuda" and not torch.cuda.is_available():
        msg = f"PyTorch {torch.__version__} sees no CUDA device"
        raise RuntimeError(msg)
    model, config = load_model(variant.model)
    network = getattr(model.encoder, "network", None)
    if network is not None and hasattr(network, "set_attn_implementation"):
        network.set_attn_implementation("sdpa")
    return Probabilities(model, config["temperature"]).eval().to(variant.device, dtype_of(variant))


def predictor(network: Callable[[Tensor], Tensor], variant: Variant) -> Predict:
    """Wrap a network as a function of one window."""
    dtype = dtype_of(variant)

    def predict(window: FloatArray) -> FloatArray:
        with torch.inference_mode():
            waveforms = torch.from_numpy(window)[None].to(variant.device, dtype)
            found: FloatArray = network(waveforms)[0].float().cpu().numpy()
        return found

    return predict


def eager(variant: Variant) -> Predict:
    """Call the network."""
    return predictor(load(variant), variant)


def compiled(variant: Variant) -> Predict:
    """Compile the network for one window length."""
    network: Any = torch.compile(load(variant), dynamic=False)
    return predictor(network, variant)


def compiled_with_graphs(variant: Variant) -> Predict:
    """Compile the network, and let the compiler record its kernels as a CUDA graph."""
    network: Any = torch.compile(load(variant), dynamic=False, mode="reduce-overhead")
    return predictor(network, variant)


def cuda_graph(variant: Variant) -> Predict:
    """Record the network's kernels once for one window length, and replay them."""
    network = load(variant)
    length = round(variant.window_s * network.model.settings.sample_rate)
    waveforms = torch.zeros(1, length, device=variant.device, dtype=dtype_of(variant))
    with torch.inference_mode():
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                network(waveforms)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            probabilities: Tensor = network(waveforms)

    def replay(given: Tensor, _weights: object = network) -> Tensor:
        waveforms.copy_(given)
        graph.replay()
        return probabilities

    return predictor(replay, variant)


def pipeline(variant: Variant) -> Predict:
    """Return transformers' audio-classification pipeline, called window by window.

    The network becomes a transformers model with labels and a feature extractor, as it would be
    on a hub; the pipeline does the rest.
    """
    import transformers
    from transformers.modeling_outputs import SequenceClassifierOutput

    # It warns that its list of classes has not ours.
    transformers.logging.set_verbosity(logging.CRITICAL)
    network = load(variant)
    labels = network.model.settings.emotion_labels
    rate_hz = network.model.settings.sample_rate

    class Hosted(transformers.PreTrainedModel):
        """The network as transformers keeps one."""

        config_class = transformers.PretrainedConfig
        main_input_name = "input_values"

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.network = network

        def forward(self, input_values: Tensor, **_: object) -> SequenceClassifierOutput:
            logits = self.network.model(input_values)["logits"] / self.network.temperature
            return SequenceClassifierOutput(logits=logits)

    config = transformers.PretrainedConfig(id2label=dict(enumerate(labels)))
    extractor = transformers.Wav2Vec2FeatureExtractor(
        sampling_rate=rate_hz, do_normalize=False, return_attention_mask=False
    )
    classify: Any = transformers.pipeline(
        "audio-classification",
        model=Hosted(config),
        feature_extractor=extractor,
        device=variant.device,
        top_k=None,
    )

    def predict(window: FloatArray) -> FloatArray:
        found = {entry["label"]: entry["score"] for entry in classify(window)}
        return torch.tensor([found[label] for label in labels]).numpy()

    return predict
