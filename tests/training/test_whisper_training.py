"""A small Whisper is fine-tuned as wav2vec2 networks are, and streams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ser_rt.config import ModelConfig, TrainingConfig
from ser_rt.networks.checkpoint import load_classifier
from ser_rt.networks.creation import create_model
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.whisper import Whisper
from ser_rt.trainer import create_trainer
from ser_rt.training.data.corpus import Clip
from ser_rt.training.fine_tuning import merge_adapters, parameter_groups, prepare_network
from tests.support.pulses import RHYTHM_HZ, pulses
from tests.support.small_training import DATA, corpus, training
from tests.support.small_whisper import write_whisper


@pytest.fixture(autouse=True)
def _quiet_and_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "transformers")
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return corpus(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def model(tmp_path: Path) -> ModelConfig:
    return ModelConfig(
        model_name=str(write_whisper(tmp_path / "base")),
        emotion_labels=tuple(RHYTHM_HZ),
        weighted_layers=True,
        pooling="attentive",
        projection=16,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"gradient_checkpointing": True, "layer_decay": 0.8, "encoder_learning_rate": 1e-4},
        {"lora_rank": 2},
    ],
)
def test_it_streams_after_training(
    tmp_path: Path, clips: list[Clip], model: ModelConfig, changes: dict[str, Any]
) -> None:
    streaming = replace(model, streaming=True, chunk_frames=5, left_frames=10)
    run = tmp_path / "run"
    history = create_trainer(streaming, training(run, **changes), DATA).train(clips)
    assert np.isfinite(history["train_loss"]).all()
    (tmp_path / "base").rename(tmp_path / "gone")
    probabilities = load_classifier(run)(pulses("Joy", 5, 0)[None])
    assert probabilities.shape == (1, 3)
    assert not [name for name in load_file(run / "model.safetensors") if "lora" in name]


def test_adapters_are_trained_alone_and_merged_without_a_change(model: ModelConfig) -> None:
    network = create_model(model)
    prepare_network(network, TrainingConfig(lora_rank=2))
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    inner = {name for name in trained if name.startswith("encoder.network.")}
    assert len(inner) == 3 * 6 * 2  # layers, linear maps, and two factors of each
    assert all("lora_" in name for name in inner)
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 1.0)
    waves = torch.from_numpy(np.stack([pulses("Joy", 1, take) for take in range(2)]))
    network.train()(waves)["logits"].square().sum().backward()
    optimizer.step()
    with torch.no_grad():
        before = network.eval()(waves)["logits"]
        merge_adapters(network)
        after = network(waves)["logits"]
    assert torch.allclose(before, after, atol=1e-5)
    assert network.state_dict().keys() == EmotionModel(network.settings).state_dict().keys()


def test_the_head_learns_faster_than_the_top_layer_and_that_than_lower_ones(
    model: ModelConfig,
) -> None:
    settings = TrainingConfig(
        learning_rate=1.0,
        encoder_learning_rate=0.1,
        layer_decay=0.5,
        freeze_feature_encoder=False,
    )
    network = create_model(model)
    prepare_network(network, settings)
    groups = parameter_groups(network, settings, {"head.weight"})
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    encoder = cast("Whisper", network.encoder)
    found = [rate[id(layer.fc1.weight)] for layer in encoder.network.layers]
    assert found == pytest.approx([0.025, 0.05, 0.1])
    assert rate[id(encoder.network.layer_norm.weight)] == pytest.approx(0.1)
    assert rate[id(encoder.network.conv1.weight)] == pytest.approx(0.0125)
    new = (network.head.weight, encoder.layer_weights, next(encoder.pooling.parameters()))
    assert [rate[id(parameter)] for parameter in new] == [1.0, 1.0, 1.0]
    assert id(encoder.network.embed_positions.weight) not in rate


def test_convolutions_stay_when_frozen(model: ModelConfig) -> None:
    network = create_model(model)
    prepare_network(network, TrainingConfig())
    encoder = cast("Whisper", network.encoder)
    assert not encoder.network.conv1.weight.requires_grad
    assert not encoder.network.conv2.bias.requires_grad
    assert encoder.network.layers[0].fc1.weight.requires_grad


def test_blanks_and_masks_are_for_training_alone(model: ModelConfig) -> None:
    network = create_model(replace(model, streaming=True, mask_time_prob=0.3, head_dropout=0.0))
    waves = torch.from_numpy(np.stack([pulses("Joy", 1, take) for take in range(2)]))
    with torch.no_grad():
        network.train()
        assert not torch.equal(network(waves)["logits"], network(waves)["logits"])
        network.eval()
        assert torch.equal(network(waves)["logits"], network(waves)["logits"])
