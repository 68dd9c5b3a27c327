"""A graph that differs from its network is refused: wrong numbers, ranges, lost ops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
import torch

from ser_rt.errors import ConfigError, DataError, ExportError, GateError
from ser_rt.export.bundle import UNMEASURED
from ser_rt.export.files import check, open_session
from ser_rt.export.graph import Served
from ser_rt.export.half import to_half
from ser_rt.export.network import keep_layers
from ser_rt.export.operators import assert_kept, computed
from ser_rt.export.precision import PRECISIONS
from ser_rt.export.ranges import largest_magnitudes
from ser_rt.export.speech import gather_speech
from ser_rt.export.verify import GateResult, reference, verify, verify_ranges
from ser_rt.manifest import Manifest
from ser_rt.networks.checkpoint import load_model
from tests.conftest import make_wave
from tests.export.conftest import LABELS, Export

FP32 = PRECISIONS["fp32"].limits


def gates(folder: Path, temperature: float, checkpoint: Path) -> GateResult:
    model, _ = load_model(checkpoint)
    speech = gather_speech(None, LABELS, 16_000, 1.0, 1)
    expected = reference(Served(model, temperature), speech)
    return verify(folder / "model.onnx", speech, expected, FP32, LABELS, 16_000)


def test_a_graph_that_differs_fails_by_name(wav2vec2: Path, export_once: Export) -> None:
    folder = export_once(wav2vec2)
    assert gates(folder, 1.7, wav2vec2).failures == []
    failures = gates(folder, 1.75, wav2vec2).failures
    assert any(("max_logit_difference" in f and " in 3 x" in f) or " in 1 x" in f for f in failures)
    assert any(label in failures[0] for label in LABELS)


def test_a_failed_gate_writes_nothing_or_says_so(
    wav2vec2: Path, export_once: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(result: GateResult) -> None:
        monkeypatch.setattr("ser_rt.export.bundle.verify", lambda *_: result)

    fail(GateResult({"max_logit_difference": 0.0, "label_agreement": 0.0}, ["labels changed"]))
    with pytest.raises(GateError, match="labels changed"):
        export_once(wav2vec2, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    folder = export_once(wav2vec2, tmp_path / "out", gates="report")
    found = json.loads((folder / "manifest.json").read_text())["gates"]
    assert (found["passed"], found["failures"]) == (False, ["labels changed"])
    fail(GateResult({}, ["logits are not finite"], fatal=True))
    with pytest.raises(GateError, match="not finite"):
        export_once(wav2vec2, tmp_path / "other", gates="report")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def _broken(folder: Path, out: Path, weight: str, value: float) -> Path:
    model = onnx.load(folder / "model.onnx")
    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == weight]
    array = np.full_like(onnx.numpy_helper.to_array(tensor), value)
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, weight))
    onnx.save_model(model, out / "model.onnx")
    return out


def test_numbers_that_are_not_finite_are_fatal(
    wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    folder = _broken(export_once(wav2vec2), tmp_path, "model.head.bias", float("nan"))
    result = gates(folder, 1.7, wav2vec2)
    assert result.fatal
    assert "logits is not finite" in result.failures[0]


def test_values_that_overflow_stay_in_float32_or_are_named(
    wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    name = "model.encoder.network.encoder.layers.0.feed_forward.intermediate_dense.bias"
    broken = _broken(export_once(wav2vec2), tmp_path, name, 40_000.0)
    speech = gather_speech(None, LABELS, 16_000, 1.0, 1)
    half = to_half(broken / "model.onnx", speech.calibration[:1])
    (tmp_path / "half").mkdir()
    onnx.save_model(half, tmp_path / "half/model.onnx")
    check(tmp_path / "half/model.onnx")
    wave = make_wave(1.0)[None]
    right, got = (
        open_session(folder / "model.onnx").run(["embedding"], {"input_values": wave})[0]
        for folder in (tmp_path, tmp_path / "half")
    )
    assert np.isfinite(got).all()
    assert np.abs(right - got).max() < 0.02 * np.abs(right).max()
    result = GateResult()
    waves = [probe.waveforms for probe in speech.probes]
    verify_ranges(result, broken / "model.onnx", tmp_path / "half/model.onnx", waves)
    assert result.measured["layer_norm_inputs"]["largest"] > 1_000
    assert result.measured["layer_norm_inputs"]["square_overflows"]
    assert result.failures == []


def test_an_overflow_in_half_precision_is_named(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    value = onnx.helper.make_tensor_value_info
    for kind, name in ((1, "source"), (10, "half")):
        graph = onnx.helper.make_graph(
            [node("Mul", ["input_values", "big"], ["loud"]), node("Tanh", ["loud"], ["out"])],
            name,
            [value("input_values", kind, ["batch", "samples"])],
            [value("out", kind, ["batch", "samples"])],
            [onnx.helper.make_tensor("big", kind, [], [60_000.0])],
            value_info=[value("loud", kind, ["batch", "samples"])],
        )
        opset = [onnx.helper.make_opsetid("", 20)]
        model = onnx.helper.make_model(graph, ir_version=9, opset_imports=opset)
        onnx.save_model(model, tmp_path / f"{name}.onnx")
    wave = np.full((1, 400), 2.0, np.float32)
    assert largest_magnitudes(tmp_path / "source.onnx", ["loud"], [wave]) == {"loud": 120_000.0}
    result = GateResult()
    verify_ranges(result, tmp_path / "source.onnx", tmp_path / "half.onnx", [wave])
    (failure,) = result.failures
    assert "loud" in failure
    assert "1.2e+05" in failure


def test_a_lost_op_is_counted(wav2vec2: Path, export_once: Export) -> None:
    model, _ = load_model(wav2vec2)
    network, wave = Served(model, 1.0), torch.zeros(1, 4000)
    assert computed(network, wave) == {"LayerNormalization": 13, "Gelu": 10}
    graph = onnx.load(export_once(wav2vec2) / "model.onnx", load_external_data=False)
    assert_kept(graph, network, (wave,))
    next(n for n in graph.graph.node if n.op_type == "LayerNormalization").op_type = "Identity"
    with pytest.raises(ExportError, match="12 LayerNormalization"):
        assert_kept(graph, network, (wave,))


def test_the_first_layers_alone(wav2vec2: Path) -> None:
    model: Any = load_model(wav2vec2)[0]
    whole = sum(parameter.numel() for parameter in model.parameters())
    wave = torch.from_numpy(make_wave(1.0)[None])
    encoder = model.encoder.network
    with torch.no_grad():
        states = encoder(wave, output_hidden_states=True).hidden_states
    assert keep_layers(model, 1) == 2
    assert sum(parameter.numel() for parameter in model.parameters()) < whole
    with torch.no_grad():
        kept = encoder(wave, output_hidden_states=True).hidden_states
    assert (len(states), len(kept)) == (3, 2)
    torch.testing.assert_close(kept[0], states[0])
    for layers in (0, 2):
        with pytest.raises(ConfigError, match=f"{layers} layers"):
            keep_layers(model, layers)


def test_an_export_of_the_first_layers_warns_of_their_price(
    wav2vec2: Path, export_once: Export
) -> None:
    manifest = Manifest.read(export_once(wav2vec2, layers=1, gates="report"))
    assert manifest.layers == {"kept": 1, "of": 2, "uar_uncut": None}
    assert manifest.warnings == [UNMEASURED]
    assert manifest.gates["passed"]


def test_the_first_form_that_passes_is_taken(
    wav2vec2: Path, export_once: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {"max_logit_difference": 0.0, "label_agreement": 1.0}
    results = [GateResult(measured, ["too far"]), GateResult(measured)]
    monkeypatch.setattr("ser_rt.export.bundle.verify", lambda *_: results.pop(0))
    monkeypatch.setattr("ser_rt.export.bundle.verify_pair", lambda *_: None)
    lines: list[str] = []
    folder = export_once(wav2vec2, tmp_path / "out", lines.append, precision="int8")
    assert Manifest.read(folder).form == "static, 5% in float"
    assert [word for line in lines for word in ("FAILED",) if word in line] == ["FAILED"]


def write_clips(folder: Path, count: int = 6) -> Path:
    rows = ["file_path,emotion"]
    for seed in range(count):
        soundfile.write(folder / f"{seed}.wav", make_wave(1.2, seed=seed), 16_000)
        rows.append(f"{seed}.wav,{LABELS[seed % 3]}")
    (folder / "clips.csv").write_text("\n".join(rows))
    return folder / "clips.csv"


def test_labelled_clips_are_probes_and_others_calibrate(
    wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    manifest = write_clips(tmp_path)
    speech = gather_speech(manifest, LABELS, 16_000, 1.0, 4)
    labelled = {p.name for p in speech.labelled().probes}
    assert len(labelled) == speech.clips == 4
    assert len(speech.calibration) == 2
    folder = export_once(wav2vec2, data=manifest, clips=4)
    found = json.loads((folder / "manifest.json").read_text())["gates"]
    assert (found["speech"], found["clips"], found["uar_loss"]) == ("clips.csv", 4, 0.0)
    assert found["uar_network"] == found["uar_graph"]


def test_a_manifest_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    for name in ("bad.csv", "none.csv"):
        with pytest.raises(DataError):
            gather_speech(tmp_path / name, LABELS, 16_000, 1.0, 4)
