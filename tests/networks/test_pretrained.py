"""Checkpoints as hubs have them: understood, or refused by name before anything is decoded."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from ser_rt.config import ModelConfig
from ser_rt.errors import CheckpointError, SerError
from ser_rt.export.graph import Served, to_onnx
from ser_rt.networks.checkpoint import load_model, save_checkpoint
from ser_rt.networks.creation import create_model
from ser_rt.trainer import create_trainer
from ser_rt.training.data.corpus import Clip
from tests.conftest import make_wave
from tests.support.small_speech import write_base
from tests.support.small_training import DATA, training

LABELS = ("Neutral", "Angry")
ADAPTER: dict[str, Any] = {"add_adapter": True, "output_hidden_size": 24, "num_adapter_layers": 2}
FEW: dict[str, Any] = {"conv_dim": (16, 16), "conv_kernel": (10, 3), "conv_stride": (40, 8)}


@pytest.fixture(autouse=True)
def _quiet_and_alone(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    caplog.set_level(logging.CRITICAL, "transformers")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def settings(base: Path, **changes: Any) -> ModelConfig:
    return replace(ModelConfig(model_name=str(base), emotion_labels=LABELS), **changes)


def waves(seconds: float = 1.0, count: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.stack([make_wave(seconds, seed=i) for i in range(count)]))


@pytest.mark.parametrize("kind", ["wav2vec2", "wavlm"])
@pytest.mark.parametrize("pooling", ["mean", "attentive"])
def test_pooling_takes_what_an_adapter_gives(tmp_path: Path, kind: str, pooling: str) -> None:
    base = write_base(tmp_path / "base", kind, **ADAPTER)
    model = create_model(settings(base, pooling=pooling, input_normalization="none")).eval()
    growth = {"mean": 1, "attentive": 2}[pooling]
    with torch.no_grad():
        found = model(waves())
        frames = AutoModel.from_pretrained(base).eval()(waves()).last_hidden_state
    assert found["embedding"].shape == (2, 24 * growth)
    if pooling == "mean":
        assert torch.allclose(found["embedding"], frames.mean(dim=1), atol=2e-5)
    save_checkpoint(model, tmp_path / "run", temperature=1.0, training={})
    with torch.no_grad():
        assert torch.equal(load_model(tmp_path / "run")[0](waves())["logits"], found["logits"])
    assert torch.isfinite(model.train()(waves(0.1))["logits"]).all()


def test_a_sum_of_layers_needs_no_adapter(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", **ADAPTER)
    model = create_model(settings(base, weighted_layers=True))
    assert model(waves())["embedding"].shape == (2, 32)
    assert not [name for name, _ in model.named_parameters() if "adapter" in name]


def test_a_graph_with_an_adapter_takes_any_length(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", num_hidden_layers=1, **FEW, **ADAPTER)
    model = create_model(settings(base)).eval()
    graph = to_onnx(Served(model, 1.0), 16_000).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for seconds, count in ((0.1, 1), (1.0, 1), (3.01, 3)):
        wave = waves(seconds, count)
        with torch.no_grad():
            expected = model(wave)["logits"].numpy()
        found = session.run(["logits"], {"input_values": wave.numpy()})[0]
        assert np.allclose(found, expected, atol=1e-5)


def rewrite(name: str, change: Callable[[Any], Any]) -> Callable[[Path], object]:
    """Change a JSON file of a checkpoint."""

    def work(base: Path) -> None:
        path = base / name
        old = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(change(old)), encoding="utf-8")

    return work


def config(**values: Any) -> Callable[[Path], object]:
    return rewrite("config.json", lambda old: old | values)


def weights(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], object]:
    def work(base: Path) -> None:
        path = base / "model.safetensors"
        old = load_file(path)
        save_file({name: change(value) for name, value in old.items()}, path, {"format": "pt"})

    return work


def lose_a_shard(base: Path) -> None:
    AutoModel.from_pretrained(base).save_pretrained(base / "parts", max_shard_size="40KB")
    (base / "model.safetensors").unlink()
    for path in (base / "parts").glob("model*"):
        path.rename(base / path.name)
    sorted(base.glob("*.safetensors"))[1].unlink()


def lone_adapter(base: Path) -> None:
    (base / "config.json").unlink()
    (base / "adapter_config.json").write_text('{"peft_type": "LORA"}')


EXTRACTOR = "preprocessor_config.json"
UNFIT: dict[str, tuple[Callable[[Path], object], str]] = {
    **{
        kind: (config(model_type=kind), f"is a checkpoint of {kind}: give one of wav2vec2, hubert")
        for kind in (
            *("data2vec-audio", "unispeech", "unispeech-sat", "wav2vec2-bert", "sew"),
            *("gpt2", "speech-encoder-decoder", "seamless_m4t"),
        )
    },
    "no kind": (rewrite("config.json", lambda _: {"hidden_size": 32}), "a checkpoint of nothing"),
    "a list": (rewrite("config.json", lambda c: [c]), "cannot load"),
    "PEFT": (lone_adapter, "is a checkpoint of PEFT, an adapter alone"),
    "bitsandbytes": (config(quantization_config={"load_in_8bit": True}), "is quantised"),
    "GPTQ": (config(quantization_config={"quant_method": "gptq", "bits": 4}), "is quantised"),
    "float8": (weights(lambda tensor: tensor.to(torch.float8_e4m3fn)), "is quantised"),
    "int8": (weights(lambda tensor: (9 * tensor).to(torch.int8)), "cannot load"),
    "NaN": (weights(lambda tensor: tensor * float("nan")), "no finite numbers"),
    "another size": (config(intermediate_size=48), "size mismatch"),
    "another adapter": (config(output_hidden_size=40), "size mismatch"),
    "more adapters": (config(num_adapter_layers=3), r"lacks 2 weights, such as adapter\.layers\.2"),
    "more layers": (config(num_hidden_layers=5), "lacks 32 weights"),
    "heads": (config(num_attention_heads=3), r"base: encoder_config makes no network.*divisible"),
    "activation": (config(hidden_act="swoosh"), "makes no network: 'swoosh'"),
    "convolutions": (config(conv_dim=[16] * 5), "convolutional layers is incorrect"),
    "a word": (config(hidden_size="32"), "makes no network"),
    "negative": (config(hidden_size=-32), "makes no network"),
    "a shard": (lose_a_shard, r"cannot load .*model-00002-of"),
    "no weights": (lambda base: (base / "model.safetensors").unlink(), "no file named"),
    "cut weights": (
        lambda base: (base / "model.safetensors").write_bytes(
            (base / "model.safetensors").read_bytes()[:-1000]
        ),
        "cannot load",
    ),
    "a pointer": (
        lambda base: (base / "model.safetensors").write_text("version https://git-lfs.github.com"),
        "cannot load",
    ),
    "8 kHz": (rewrite(EXTRACTOR, lambda old: old | {"sampling_rate": 8000}), "8000 Hz"),
    "a word of Hz": (
        rewrite(EXTRACTOR, lambda old: old | {"sampling_rate": "16000"}),
        "'16000' Hz",
    ),
    "broken extractor": (lambda base: (base / EXTRACTOR).write_text("{"), "not a valid JSON"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_an_unfit_checkpoint_is_refused_before_anything_is_decoded(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object, **__: object) -> None:
        pytest.fail("decoded before the checkpoint was looked at")

    monkeypatch.setattr("ser_rt.trainer.prepare", decode)
    spoil, says = UNFIT[kind]
    base = write_base(tmp_path / "base", **ADAPTER)
    spoil(base)
    trainer = create_trainer(settings(base), training(tmp_path / "run"), DATA)
    with pytest.raises(SerError, match=says):
        trainer.train([Clip(tmp_path / "a.wav", "Angry")])
    assert not (tmp_path / "run").exists()


def test_a_rate_that_is_a_whole_float_is_that_rate(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    rewrite(EXTRACTOR, lambda old: old | {"sampling_rate": 16000.0})(base)
    assert create_model(settings(base)).settings.sample_rate == 16_000


def test_a_folder_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="none"):
        create_model(settings(tmp_path / "none"))
