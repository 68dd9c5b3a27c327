"""What training goes on from: a bundle's network read from its graph, or that of a run folder."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from ser_rt.bundle import built_in_bundles
from ser_rt.config import ModelConfig
from ser_rt.errors import CheckpointError, ConfigError, MissingDependencyError
from ser_rt.manifest import Manifest
from ser_rt.networks.checkpoint import load_model, save_checkpoint
from ser_rt.networks.creation import create_model
from ser_rt.networks.folding import settle_norms
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.start import Start, find_start
from tests.conftest import make_wave
from tests.export.conftest import whisper_settings

LABELS = ("Neutral", "Angry", "Joy")


@pytest.fixture(autouse=True)
def _alone() -> None:
    torch.set_num_threads(1)


def found(name: object) -> Start:
    start = find_start(str(name))
    assert start is not None
    return start


def network(name: object, **given: Any) -> EmotionModel:
    start = found(name)
    return start.network(start.settings_with(given))


def waves(seconds: float = 2.0) -> torch.Tensor:
    return torch.from_numpy(np.stack([make_wave(seconds, seed=seed) for seed in range(3)]))


def logits(model: EmotionModel, of: torch.Tensor) -> Any:
    with torch.no_grad():
        return model.eval()(of)["logits"].numpy()


def without_dropout(model: EmotionModel) -> EmotionModel:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("run")
    model = EmotionModel(whisper_settings(streaming=True))
    save_checkpoint(model, folder, temperature=1.0, training={"train": {"speakers": ["s1"]}})
    return folder


@pytest.mark.parametrize(("name", "near"), [("compact", 1e-4), ("compact-free", 1e-4), ("base", 1)])
def test_a_built_in_network_answers_as_its_graph(name: str, near: float) -> None:
    start, model = found(name), network(name)
    assert start.bundle is not None
    session = onnxruntime.InferenceSession(start.bundle.model_path)
    given = waves()
    (right,) = session.run(["logits"], {"input_values": given.numpy()})
    own = logits(model, given)
    assert np.abs(own / start.bundle.temperature - right).max() < near
    assert np.abs(own).max() > 1  # it is sure of something: random weights are not


def layers_of(model: EmotionModel) -> torch.nn.Sequential:
    encoder: Any = model.encoder
    return torch.nn.Sequential(encoder.stem, encoder.blocks)


def test_norms_that_were_folded_get_the_statistics_of_speech() -> None:
    model, given = without_dropout(network("compact")), waves(3.0)
    before = logits(model, given)
    encoder: Any = model.encoder
    with torch.no_grad():
        features = encoder.features(given)
        right = layers_of(model).eval()(features)

    def gap(model: EmotionModel) -> float:
        """How far the layers are off by the statistics of the batch, as in training."""
        with torch.no_grad():
            wrong = layers_of(model).train()(features) - right
        return float(wrong.abs().mean() / right.abs().mean())

    assert len(model.unsettled) == 9
    assert gap(model) > 0.2
    settled = without_dropout(network("compact"))
    settle_norms(settled, settled.unsettled, [given])
    assert np.allclose(logits(settled, given), before, atol=1e-3)
    assert gap(settled) < 0.02


def test_a_run_folder_is_what_it_was(run: Path) -> None:
    model, right = network(run), load_model(run)[0]
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), right.state_dict().values(), strict=True)
    )
    assert model.settings == right.settings
    cut: Any = network(run, num_layers=1).encoder
    assert len(cut.network.layers) == cut.num_layers == 1


def test_rows_of_the_head_go_by_their_names(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    old = load_model(run)[0]
    new = network(run, emotion_labels=("Joy", "Calm", "Neutral"))
    assert torch.equal(new.head.weight[[0, 2]], old.head.weight[[2, 0]])
    assert torch.equal(new.head.bias[[0, 2]], old.head.bias[[2, 0]])
    assert not any(torch.equal(new.head.weight[1], row) for row in old.head.weight)
    assert "its rows of Joy, Neutral, new rows of Calm, and none of Angry" in caplog.text
    network(run, emotion_labels=("calm", "tense"))
    assert "knows none of calm, tense, only Neutral, Angry, Joy" in caplog.text
    assert "--same-labels" in caplog.text


def test_flags_win_where_weights_allow_it(run: Path) -> None:
    start = found(run)
    settings = start.settings_with({"head_dropout": 0.3, "pooling": "attentive", "chunk_frames": 5})
    assert settings == replace(
        start.settings, model_name=str(run), head_dropout=0.3, chunk_frames=5
    )
    for other, word in (
        ({"pooling": "mean"}, "pooling is 'mean', but .* 'attentive'.* leave --pooling out"),
        ({"architecture": "compact"}, "leave --architecture out"),
        ({"projection": 0}, "leave --projection out"),
    ):
        with pytest.raises(ConfigError, match=word):
            start.settings_with(other)
    with pytest.raises(ConfigError, match="num_layers is 9"):
        start.network(start.settings_with({"num_layers": 9}))
    with pytest.raises(ConfigError, match="leave --architecture out"):
        create_model(ModelConfig(model_name=str(run)))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(built_in_bundles()["compact-free"], tmp_path / "bundle"))


def rewrite(folder: Path, change: Callable[[onnx.ModelProto], object], **entries: Any) -> None:
    """Change a bundle's graph and its manifest, which then is as valid as before."""
    manifest = Manifest.read(folder)
    graph = onnx.load(folder / "model.onnx")
    change(graph)
    onnx.save(graph, folder / "model.onnx")
    (folder / "manifest.json").unlink()
    replace(manifest, **entries).write(folder)


def tensor(graph: onnx.ModelProto, name: str) -> Any:
    return next(each for each in graph.graph.initializer if each.name == name)


def rename(graph: onnx.ModelProto) -> None:
    old, new = "model.encoder.blocks.0.layers.1.weight", "val_1234"
    tensor(graph, old).name = new
    for node in graph.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def double(graph: onnx.ModelProto) -> None:
    found = next(node for node in graph.graph.node if node.op_type == "Relu")
    twice = onnx.helper.make_node("Add", [found.output[0], found.output[0]], ["twice"])
    for node in graph.graph.node:
        node.input[:] = ["twice" if name == found.output[0] else name for name in node.input]
    graph.graph.node.insert([*graph.graph.node].index(found) + 1, twice)


def not_a_number(graph: onnx.ModelProto) -> None:
    weight = tensor(graph, "model.head.bias")
    weight.CopyFrom(numpy_helper.from_array(np.full(5, np.nan, np.float32), weight.name))


@pytest.mark.parametrize(
    ("change", "entries", "word"),
    [
        (lambda _: None, {"model": None}, "does not describe its network"),
        (lambda _: None, {"model": {"pooling": "best"}}, "'model' in the manifest .* pooling"),
        (lambda _: None, {"model": {"colour": 1}}, "'model' in the manifest .*'colour'"),
        (lambda _: None, {"architecture": "whisper"}, "encoder_config has model_type None"),
        (lambda _: None, {"model": {"encoder_config": {"channels": [3]}}}, "table like"),
        (lambda _: None, {"model": {}}, "weights of the network are not in it, such as"),
        (rename, {}, "not in it, such as encoder.blocks.0.layers.1.weight"),
        (double, {}, "answers otherwise than its graph .*run folder"),
        (not_a_number, {}, "answers otherwise than its graph"),
    ],
)
def test_a_bundle_that_cannot_be_read_is_refused(
    bundle: Path, change: Callable[[onnx.ModelProto], object], entries: dict[str, Any], word: str
) -> None:
    rewrite(bundle, change, **entries)
    with pytest.raises(CheckpointError, match=word):
        network(bundle)


def test_graphs_of_other_tools_and_unfinished_runs_are_refused(tmp_path: Path, run: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "wav2vec2"}')
    (other / "model_quantized.onnx").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"no manifest\.json of ser-export"):
        find_start(str(other))
    step = tmp_path / "run/checkpoint-4"
    step.mkdir(parents=True)
    (step / "trainer_state.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"give the run folder, .*run, once"):
        find_start(str(step))
    (tmp_path / "run/run.json").write_text("{}")
    with pytest.raises(CheckpointError, match="has not ended"):
        find_start(str(tmp_path / "run"))
    damaged = Path(shutil.copytree(run, tmp_path / "damaged"))
    (damaged / "model.safetensors").write_bytes((run / "model.safetensors").read_bytes()[:-4])
    with pytest.raises(CheckpointError, match=r"has changed since|lacks its labels"):
        network(damaged)
    config = json.loads((run / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps(config | {"model": {"pooling": 3}}))
    with pytest.raises(CheckpointError, match=r"is damaged .*pooling"):
        find_start(str(damaged))
    assert find_start("openai/whisper-base") is find_start("") is None


def test_reading_a_graph_needs_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match="export"):
        network("compact")
