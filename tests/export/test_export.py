import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import torch

from ser_rt.bundle import Bundle
from ser_rt.config import ModelConfig
from ser_rt.evaluate import ModelEvaluator
from ser_rt.evaluation.report import write_report
from ser_rt.export.__main__ import main
from ser_rt.export.evaluation import read_figures
from ser_rt.export.graph import OUTPUTS
from ser_rt.export.licence import licence_of
from ser_rt.networks.checkpoint import TorchClassifier, save_checkpoint
from ser_rt.networks.model import EmotionModel
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave
from tests.export.conftest import LABELS, TRAINING, Export


@pytest.fixture(scope="module")
def network() -> EmotionModel:
    torch.manual_seed(1)
    model = EmotionModel(ModelConfig(architecture="compact", emotion_labels=LABELS)).train()
    with torch.no_grad():
        for seed in range(3):  # running statistics that are not the initial ones
            model(torch.from_numpy(make_wave(4.0, seed=seed).reshape(2, -1)))
    return model.eval()


@pytest.fixture(scope="module")
def checkpoint(network: EmotionModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    save_checkpoint(network, folder, temperature=1.7, training=TRAINING)
    return folder


@pytest.fixture(scope="module")
def bundle(checkpoint: Path, export_once: Export) -> Path:
    return export_once(checkpoint)


def test_the_bundle_says_what_the_network_says(network: EmotionModel, bundle: Path) -> None:
    served = OnnxClassifier(Bundle.load(bundle))
    reference = TorchClassifier(network, temperature=1.7)
    assert served.labels == LABELS
    for samples in (8_000, 16_001, 48_000, 100_003):
        waves = np.stack([make_wave(samples / 16_000, seed=seed) for seed in range(3)])
        assert np.abs(served(waves) - reference(waves)).max() < 1e-5


def test_logits_carry_the_temperature(bundle: Path) -> None:
    session = onnxruntime.InferenceSession(bundle / "model.onnx")
    wave = make_wave(2.0)[None]
    logits, probabilities, embedding = session.run(OUTPUTS, {"input_values": wave})
    exponential = np.exp(logits - logits.max())
    assert np.allclose(exponential / exponential.sum(), probabilities, atol=1e-6)
    assert embedding.shape == (1, 576)


def test_silence_and_absurd_levels_give_numbers(bundle: Path) -> None:
    served = OnnxClassifier(Bundle.load(bundle))
    wave = make_wave(1.0)[None]
    for samples in (np.zeros_like(wave), wave * 1e-6, wave * 1e4, np.ones_like(wave)):
        assert np.isfinite(served(samples)).all()


def test_gain_changes_nothing(bundle: Path) -> None:
    served = OnnxClassifier(Bundle.load(bundle))
    wave = make_wave(2.0)[None]
    assert np.allclose(served(wave * 0.3), served(wave), atol=0.02)


def test_the_manifest_tells_where_the_model_comes_from(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["architecture"] == "compact"
    assert manifest["temperature"] == 1.7
    assert manifest["labels"][1] == {"id": 1, "en": "Angry", "ko": "분노"}
    assert manifest["gates"]["label_agreement"] == 1.0
    assert manifest["licence"]["weights"] == "CC-BY-NC-SA-4.0"
    assert manifest["training"] == TRAINING
    assert "torch" in manifest["tools"]


@pytest.mark.parametrize(
    ("classes", "weights"),
    [
        (["permissive"], "MIT"),
        (["nc", "permissive"], "CC-BY-NC-SA-4.0"),
        ([], "unknown: whoever trained them must say"),
        (["permissive", "bought"], "unknown: whoever trained them must say"),
    ],
)
def test_the_licence_follows_from_the_clips(classes: list[str], weights: str) -> None:
    training = {"train": {"licence_classes": classes, "datasets": {"emodb": 1}}}
    assert licence_of(training)["weights"] == weights
    student = {"train": {"licence_classes": ["permissive"]}, "teacher": training}
    assert licence_of(student)["weights"] == weights
    assert "EmoDB" in licence_of(student)["trained_on"][0]


def test_both_axes_are_dynamic_and_the_graph_is_valid(bundle: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    axes = [axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim]
    assert all(axes)
    assert [output.name for output in model.graph.output] == list(OUTPUTS)


def test_figures_of_an_evaluation_go_into_the_manifest(
    checkpoint: Path, tmp_path: Path, export_once: Export
) -> None:
    clips = {"a.wav": "Neutral", "b.wav": "Joy"}
    for seed, name in enumerate(clips):
        soundfile.write(tmp_path / name, make_wave(1.5, seed=seed), 16_000)
    evaluator = ModelEvaluator(checkpoint)
    found = evaluator.evaluate_dataset(
        [tmp_path / name for name in clips],
        list(clips.values()),
        {"speaker": ["x", "y"], "dataset": ["d", "d"]},
        stress=True,
    )
    write_report(found, tmp_path / "report", "t")
    figures = read_figures(tmp_path / "report/evaluation.json")
    folder = export_once(checkpoint, evaluation=figures)
    evaluation = json.loads((folder / "manifest.json").read_text())["evaluation"]
    assert evaluation["scores"]["d"]["uar"] == found.groups["dataset"]["d"].uar
    assert evaluation["windows"].keys() == {"whole", "3 s", "2 s", "1 s"}
    assert evaluation["speakers"]["y"]["dataset"] == "d"
    assert evaluation["calibration"]["by_dataset"] == {"d": found.calibration.by_dataset["d"]}
    assert ".wav" not in json.dumps(evaluation)
    (tmp_path / "other.json").write_text("{}")
    assert main([str(checkpoint), *("--out", "x"), "--evaluation", f"{tmp_path}/other.json"]) == 2
