from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import AutoModel, Wav2Vec2FeatureExtractor

from ser_rt.config import ModelConfig
from ser_rt.errors import CheckpointError, ConfigError
from ser_rt.export.graph import Served, to_onnx
from ser_rt.networks.checkpoint import load_model, save_checkpoint
from ser_rt.networks.creation import create_model
from ser_rt.networks.model import EmotionModel
from tests.conftest import make_wave
from tests.support.small_speech import CLASSES, write_base

if TYPE_CHECKING:
    from ser_rt.networks.wav2vec2 import Wav2Vec2

LABELS = ("Neutral", "Angry", "Joy")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def settings(base: Path, **changes: object) -> ModelConfig:
    return replace(ModelConfig(model_name=str(base), emotion_labels=LABELS), **changes)  # type: ignore[arg-type]


def encoder_of(model: EmotionModel) -> Wav2Vec2:
    return cast("Wav2Vec2", model.encoder)


def waves(seconds: float = 1.0, count: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.stack([make_wave(seconds, seed=i) for i in range(count)]))


@pytest.mark.parametrize("kind", CLASSES)
def test_the_embedding_is_that_of_the_base_checkpoint(tmp_path: Path, kind: str) -> None:
    base = write_base(tmp_path / "base", kind)
    model = create_model(settings(base)).eval()
    assert model.encoder.input_normalization == "window"
    assert model.settings.encoder_config["model_type"] == kind
    wave = waves(1.3)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(base)
    original = AutoModel.from_pretrained(base).eval()
    inputs = extractor(list(wave.numpy()), sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        expected = original(inputs["input_values"]).last_hidden_state.mean(dim=1)
        found = model(wave)
    assert torch.allclose(found["embedding"], expected, atol=2e-5)
    assert found["logits"].shape == (2, 3)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_run_is_loaded_without_its_base(tmp_path: Path, kind: str) -> None:
    base = write_base(tmp_path / "base", kind)
    model = create_model(
        settings(base, pooling="attentive", weighted_layers=True, num_layers=2)
    ).eval()
    save_checkpoint(model, tmp_path / "run", temperature=1.0, training={})
    base.rename(tmp_path / "gone")
    loaded, config = load_model(tmp_path / "run")
    assert config["model"]["encoder_config"]["model_type"] == kind
    assert encoder_of(loaded).num_layers == 2
    with torch.no_grad():
        assert torch.equal(loaded(waves())["logits"], model(waves())["logits"])


@pytest.mark.parametrize("kind", CLASSES)
def test_the_graph_takes_any_batch_and_length(tmp_path: Path, kind: str) -> None:
    # Few convolutions: tracing takes as long as there are ops.
    few = {"conv_dim": (16, 16), "conv_kernel": (10, 3), "conv_stride": (40, 8)}
    base = write_base(tmp_path / "base", kind, num_hidden_layers=1, **few)
    model = create_model(settings(base, weighted_layers=True, pooling="attentive")).eval()
    graph = to_onnx(Served(model, 1.5), 16_000)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for seconds, count in ((1.0, 1), (3.01, 3)):
        wave = waves(seconds, count)
        logits, probabilities, _ = session.run(None, {"input_values": wave.numpy()})
        with torch.no_grad():
            expected = model(wave)["logits"] / 1.5
        assert np.allclose(logits, expected.numpy(), atol=1e-5)
        assert np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    silence = np.zeros((1, 16_000), np.float32)
    assert np.isfinite(session.run(None, {"input_values": silence})[0]).all()


def test_level_matters_only_without_normalisation(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", feat_extract_norm="group", do_stable_layer_norm=False)
    for how, same in (("auto", True), ("none", False)):
        model = create_model(settings(base, input_normalization=how)).eval()
        with torch.no_grad():
            loud, quiet = (model(waves() * gain)["embedding"] for gain in (1.0, 0.05))
        assert torch.allclose(loud, quiet, atol=1e-4) == same


def test_first_layers_only_and_where_a_parameter_stands(tmp_path: Path) -> None:
    model = create_model(settings(write_base(tmp_path / "base"), num_layers=1))
    encoder = encoder_of(model)
    names = [name for name, _ in encoder.named_parameters()]
    assert {encoder.depth_of(name) for name in names} == {0, 1, 2}
    assert encoder.depth_of("network.feature_projection.projection.weight") == 0
    assert encoder.depth_of("network.encoder.layer_norm.weight") == 2
    with pytest.raises(ConfigError, match="num_layers is 9, but there are 3"):
        create_model(settings(tmp_path / "base", num_layers=9))


def test_training_blanks_frames_even_in_windows_shorter_than_a_run(tmp_path: Path) -> None:
    model = create_model(settings(write_base(tmp_path / "base"), mask_time_prob=0.5))
    encoder = encoder_of(model)
    torch.manual_seed(0)
    share = encoder._blank(8, 199).float().mean()
    assert 0.3 < share < 0.5  # runs overlap
    assert torch.isfinite(model.train()(waves(0.1))["logits"]).all()
    plain = create_model(settings(tmp_path / "base", mask_time_prob=0.0, head_dropout=0.0))
    assert torch.isfinite(plain.train()(waves())["logits"]).all()


def test_what_is_no_base_checkpoint_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match="download the checkpoint and give its folder"):
        create_model(settings(tmp_path / "none"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CheckpointError, match="is a checkpoint of nothing: give one of wav2vec2"):
        create_model(settings(empty))
    (empty / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="is a checkpoint of bert: give one of"):
        create_model(settings(empty))
    base = write_base(tmp_path / "base")
    (base / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="cannot load"):
        create_model(settings(base))
    extractor = base / "preprocessor_config.json"
    extractor.write_text(json.dumps(json.loads(extractor.read_text()) | {"sampling_rate": 8000}))
    with pytest.raises(CheckpointError, match="8000 Hz"):
        create_model(settings(base))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="kresnik/wav2vec2-large-xlsr-korean"):
        create_model(ModelConfig())


def test_a_base_that_lacks_weights_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = write_base(tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 5}))
    caplog.set_level(logging.CRITICAL, "transformers")
    with pytest.raises(CheckpointError, match=r"lacks 32 weights, such as encoder\.layers\.3"):
        create_model(settings(base))


def test_a_network_needs_to_know_its_kind() -> None:
    with pytest.raises(ConfigError, match="model_type None: it must be one of wav2vec2, hubert"):
        EmotionModel(ModelConfig())
