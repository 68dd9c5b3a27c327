"""Trained networks of a few thousand weights, and an export that traces each of them once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from ser_rt.config import ModelConfig
from ser_rt.export import bundle as export
from ser_rt.export import graph, stream, stream_graph
from ser_rt.export.settings import ExportSettings
from ser_rt.networks.checkpoint import TorchClassifier, save_checkpoint
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.start import find_start
from tests.conftest import make_wave
from tests.support.once import made_once, shared_folder
from tests.support.small_speech import SHAPE, XLSR
from tests.support.small_whisper import ENCODER

LABELS = ("Neutral", "Angry", "Joy")
TRAINING = {"train": {"licence_classes": ["nc", "permissive"], "datasets": {"emodb": 3, "mine": 1}}}
Export = Callable[..., Path]
NAME = "mine"
"""Of bundles that are shared."""


def encoder_config(kind: str = "wav2vec2", **changes: object) -> dict[str, Any]:
    values = SHAPE | XLSR | {"num_hidden_layers": 2} | changes
    return {"model_type": kind} | {k: list(v) if k == "conv_dim" else v for k, v in values.items()}


def large_shape(kind: str = "wav2vec2", **changes: object) -> ModelConfig:
    """Settings of a network of the shape of the 317M one, a few thousand times smaller."""
    return ModelConfig(
        model_name="",
        emotion_labels=LABELS,
        pooling="attentive",
        weighted_layers=True,
        input_normalization="none",
        encoder_config=encoder_config(kind, **changes),
    )


def whisper_settings(*, streaming: bool) -> ModelConfig:
    """Settings of a Whisper of a few thousand weights, with chunks of 0.5 s if it streams."""
    return ModelConfig(
        architecture="whisper",
        model_name="",
        emotion_labels=LABELS,
        pooling="attentive",
        projection=16,
        weighted_layers=True,
        streaming=streaming,
        chunk_frames=25 if streaming else 0,
        left_frames=50,
        encoder_config=ENCODER,
    )


def decided(settings: ModelConfig) -> EmotionModel:
    """A network with random weights whose logits are as far apart as those of a trained one."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = EmotionModel(settings).eval()
    for name, weight in model.named_parameters():
        if name.endswith("embed_positions.weight"):
            weight.data = weight.data.half().float()  # as Whisper's are, which was published so
    waves = torch.from_numpy(make_wave(16.0).reshape(16, -1))
    with torch.no_grad():
        embedding = model(waves)["embedding"]
        model.head.weight /= embedding.std() * model.head.weight.std() * 4
        model.head.bias.sub_(model(waves)["logits"].mean(dim=0))
    return model


def learning_on(bundle: Path) -> TorchClassifier:
    """The network that training goes on from."""
    start = find_start(str(bundle))
    assert start is not None
    assert start.bundle is not None
    return TorchClassifier(start.network(start.settings_with({})), start.bundle.temperature)


@pytest.fixture(scope="session")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(large_shape(), shared_folder(tmp_path_factory) / "wav2vec2")


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(whisper_settings(streaming=True), shared_folder(tmp_path_factory) / "whisper")


def checkpoint(settings: ModelConfig, folder: Path) -> Path:
    def save(draft: Path) -> None:
        save_checkpoint(decided(settings), draft, temperature=1.7, training=TRAINING)

    return made_once(folder, save)


@pytest.fixture(scope="session")
def export_once(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Exports a checkpoint with settings; where no folder is given, the bundle is shared.

    A network is traced once for each number of its layers, and a shared bundle is written once,
    by any process of this run.
    """
    shared = shared_folder(tmp_path_factory)
    trace, trace_stream = graph.to_onnx, stream_graph.stream_to_onnx

    def place(kind: str, key: object) -> Path:
        return shared / f"{kind}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"

    def run(
        checkpoint: Path,
        out: Path | None = None,
        report: Callable[[str], None] = lambda _: None,
        **settings: Any,
    ) -> Path:
        def once(trace: Callable[..., onnx.ModelProto]) -> Callable[..., onnx.ModelProto]:
            def traced(network: Any, *how: Any) -> onnx.ModelProto:
                layers = settings.get("layers")
                key = (trace.__name__, checkpoint, how, network.temperature, layers)

                def save(draft: Path) -> None:
                    draft.write_bytes(trace(network, *how).SerializeToString())

                return onnx.load_from_string(made_once(place("graph", key), save).read_bytes())

            return traced

        def export_to(folder: Path) -> Path:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(export, "to_onnx", once(trace))
                patch.setattr(stream, "stream_to_onnx", once(trace_stream))
                how = ExportSettings(**settings)
                return export.export_bundle(checkpoint, folder, how, report=report)

        if out is not None:
            return export_to(out)

        def export_into(draft: Path) -> None:
            draft.mkdir()
            export_to(draft / NAME)

        return made_once(place("bundle", (checkpoint, settings)), export_into) / NAME

    return run
