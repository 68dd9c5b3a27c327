"""Whisper's encoder in the learning path: as transformers computes it, at any length."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import WhisperFeatureExtractor, WhisperForAudioClassification

from ser_rt.config import ModelConfig
from ser_rt.errors import AudioInputError, CheckpointError, ConfigError
from ser_rt.networks.checkpoint import load_model, save_checkpoint
from ser_rt.networks.creation import create_model
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.whisper import Whisper
from tests.conftest import make_wave
from tests.support.small_whisper import ENCODER, write_whisper

LABELS = ("Neutral", "Angry", "Joy")


@pytest.fixture(autouse=True)
def _quiet_and_alone(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    caplog.set_level(logging.CRITICAL, "transformers")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def settings(base: Path, **changes: Any) -> ModelConfig:
    return replace(ModelConfig(model_name=str(base), emotion_labels=LABELS), **changes)


def encoder_of(model: EmotionModel) -> Whisper:
    return cast("Whisper", model.encoder)


def waves(seconds: float = 1.0, count: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.stack([make_wave(seconds, seed=i) for i in range(count)]))


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("encoder_only", [True, False])
def test_at_30_s_it_is_the_encoder_of_the_checkpoint(
    tmp_path: Path, bands: int, *, encoder_only: bool
) -> None:
    base = write_whisper(tmp_path / "base", encoder_only=encoder_only, num_mel_bins=bands)
    model = create_model(settings(base, max_duration=30.0)).eval()
    assert model.settings.architecture == "whisper"
    assert model.settings.encoder_config["num_mel_bins"] == bands
    wave = waves(30.0, 1)
    extractor = WhisperFeatureExtractor.from_pretrained(base)
    given = extractor(wave[0].numpy(), sampling_rate=16_000, return_tensors="pt")["input_features"]
    original = WhisperForAudioClassification.from_pretrained(base).eval()
    with torch.no_grad():
        expected = original.encoder(given).last_hidden_state.mean(dim=1)
        found = model(wave)
    assert torch.allclose(found["embedding"], expected, atol=2e-4)
    assert found["logits"].shape == (1, 3)


@pytest.mark.parametrize("seconds", [0.1, 0.4, 1.003, 3.0])
@pytest.mark.parametrize("streaming", [False, True])
def test_windows_of_any_length_are_not_padded(seconds: float, *, streaming: bool) -> None:
    model = EmotionModel(whisper(streaming=streaming)).eval()
    states: list[torch.Tensor] = []
    encoder_of(model).network.register_forward_hook(lambda _, __, out: states.extend(out))
    assert torch.isfinite(model(waves(seconds))["logits"]).all()
    assert [len(state[0]) for state in states] == [round(seconds * 50 - 0.2)] * 4
    assert torch.isfinite(model.train()(waves(seconds))["logits"]).all()


def whisper(**changes: Any) -> ModelConfig:
    how: dict[str, Any] = {
        "weighted_layers": True,
        "pooling": "attentive",
        "projection": 8,
        "encoder_config": ENCODER,
    }
    return ModelConfig(
        architecture="whisper",
        model_name="",
        emotion_labels=LABELS,
        **(how | changes),
    )


def test_a_run_is_loaded_without_its_base(tmp_path: Path) -> None:
    base = write_whisper(tmp_path / "base")
    model = create_model(
        settings(base, pooling="attentive", weighted_layers=True, num_layers=2, projection=16)
    ).eval()
    save_checkpoint(model, tmp_path / "run", temperature=1.0, training={})
    base.rename(tmp_path / "gone")
    loaded, _ = load_model(tmp_path / "run")
    assert encoder_of(loaded).num_layers == 2
    assert loaded.encoder.embedding_size == 16
    with torch.no_grad():
        assert torch.equal(loaded(waves())["logits"], model(waves())["logits"])


def test_the_sum_of_layers_has_the_convolutions(tmp_path: Path) -> None:
    base = write_whisper(tmp_path / "base")
    model = create_model(settings(base, weighted_layers=True)).eval()
    encoder = encoder_of(model)
    assert encoder.layer_weights is not None
    assert len(encoder.layer_weights) == 4
    with torch.no_grad():
        encoder.layer_weights[0] = 50.0  # the convolutions alone
        alone = model(waves())["embedding"]
        for layer in encoder.network.layers:
            layer.fc2.weight.zero_()
        assert torch.allclose(model(waves())["embedding"], alone)


def test_long_windows_are_refused_and_stream() -> None:
    short: dict[str, Any] = {"encoder_config": ENCODER | {"max_source_positions": 100}}
    with pytest.raises(ConfigError, match=r"max_duration is 10 s, .* at most 2 s"):
        EmotionModel(whisper(**short))
    with pytest.raises(AudioInputError, match=r"2\.1 s is longer than the 2 s"):
        EmotionModel(whisper(max_duration=2.0, **short))(waves(2.1))
    assert torch.isfinite(
        EmotionModel(whisper(streaming=True, **short))(waves(5.0))["logits"]
    ).all()


def test_other_architectures_do_not_stream() -> None:
    with pytest.raises(ConfigError, match="whisper and wav2vec2, not for compact"):
        EmotionModel(ModelConfig(architecture="compact", streaming=True))


def rewrite(name: str, **values: Any) -> Callable[[Path], object]:
    def work(base: Path) -> None:
        path = base / name
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values))

    return work


def weights(change: Callable[[str, torch.Tensor], torch.Tensor | None]) -> Callable[[Path], object]:
    def work(base: Path) -> None:
        path = base / "model.safetensors"
        changed = {name: change(name, value) for name, value in load_file(path).items()}
        kept = {name: value for name, value in changed.items() if value is not None}
        save_file(kept, path, {"format": "pt"})

    return work


UNFIT: dict[str, tuple[Callable[[Path], object], str]] = {
    "causal": (rewrite("config.json", architectures=["WhisperForCausalLM"]), "has a decoder only"),
    "decoder": (rewrite("config.json", is_decoder=True), "has a decoder only"),
    "no encoder": (
        weights(lambda name, tensor: tensor if "decoder" in name else None),
        r"lacks \d+ weights, such as encoder\.conv1",
    ),
    "bands": (rewrite("config.json", num_mel_bins=64), "num_mel_bins is 64: Whisper has 80 or 128"),
    "other bands": (rewrite("config.json", num_mel_bins=128), "feature_size 80"),
    "extractor": (rewrite("preprocessor_config.json", feature_size=128), "feature_size 128"),
    "hop": (rewrite("preprocessor_config.json", hop_length=200), "hop_length 200"),
    "rate": (rewrite("preprocessor_config.json", sampling_rate=8_000), "sampling_rate 8000"),
    "GPTQ": (rewrite("config.json", quantization_config={"bits": 4}), "is quantised"),
    "int8": (weights(lambda _, tensor: (9 * tensor).to(torch.int8)), "base"),
    "NaN": (weights(lambda _, tensor: tensor * float("nan")), "no finite numbers"),
    "heads": (rewrite("config.json", encoder_attention_heads=3), "divisible"),
    "size": (rewrite("config.json", encoder_ffn_dim=48), "size mismatch"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_unfit_checkpoints_are_refused(tmp_path: Path, name: str) -> None:
    change, message = UNFIT[name]
    base = write_whisper(tmp_path / "base")
    change(base)
    with pytest.raises((CheckpointError, ConfigError), match=message):
        create_model(settings(base))


def test_more_layers_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="num_layers is 4, but there are 3"):
        create_model(settings(write_whisper(tmp_path / "base"), num_layers=4))
