"""Other tools open a bundle: optimum, transformers' pipeline, and Triton's own model format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_rt.bundle import Bundle
from ser_rt.errors import OutputError
from ser_rt.export.precision import PRECISIONS
from ser_rt.export.triton import push_triton
from ser_rt.runtime.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave
from tests.export.conftest import Export


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_optimum_and_the_pipeline_hear_the_same(
    precision: str, wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    optimum = pytest.importorskip("optimum.onnxruntime")
    from transformers import AutoFeatureExtractor, pipeline

    folder = export_once(wav2vec2, precision=precision)
    classifier = OnnxClassifier(Bundle.load(folder))
    wave = make_wave(2.0, seed=5)
    expected = classifier(wave[None])[0]
    model = optimum.ORTModelForAudioClassification.from_pretrained(folder)
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    hear = pipeline("audio-classification", model=model, feature_extractor=extractor)
    soundfile.write(tmp_path / "speech.wav", wave, 16_000, subtype="FLOAT")
    for heard in (hear(wave, top_k=1), hear(str(tmp_path / "speech.wav"), top_k=1)):
        assert heard[0]["label"] == classifier.labels[int(expected.argmax())]
        assert heard[0]["score"] == pytest.approx(float(expected.max()), abs=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_triton_reads_its_model(
    precision: str, wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    triton = pytest.importorskip("tritonclient.grpc.model_config_pb2")
    from google.protobuf import text_format

    bundle = Bundle.load(export_once(wav2vec2, precision=precision))
    version = push_triton(bundle, tmp_path)
    assert version == tmp_path / "mine" / "1"
    config = text_format.Parse((tmp_path / "mine/config.pbtxt").read_text(), triton.ModelConfig())
    served = OnnxClassifier(bundle)
    assert config.name == "mine"
    assert config.platform == "onnxruntime_onnx"
    assert max(config.dynamic_batching.preferred_batch_size) <= config.max_batch_size
    wave = make_wave(1.0)[None]
    outputs = {out.name: list(out.dims) for out in config.output}
    assert outputs.keys() == {"logits", "probabilities", "embedding"}
    for name, dims in outputs.items():
        assert list(served.outputs(wave, name)[0].shape[1:]) == dims
    assert all(out.data_type == triton.TYPE_FP32 for out in (*config.input, *config.output))
    assert [(i.name, list(i.dims)) for i in config.input] == [("input_values", [-1])]
    group = triton.ModelInstanceGroup
    assert config.instance_group[0].kind == (
        group.KIND_CPU if precision == "int8" else group.KIND_GPU
    )
    accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert [a.name for a in accelerators] == ([] if precision == "int8" else ["tensorrt"])
    assert list(config.model_warmup[0].inputs["input_values"].dims) == [48_000]


def test_a_second_push_is_a_second_version(
    wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    import onnxruntime

    bundle = Bundle.load(export_once(wav2vec2))
    push_triton(bundle, tmp_path)
    assert push_triton(bundle, tmp_path).name == "2"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"]
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["1", "2", "config.pbtxt"]
    session = onnxruntime.InferenceSession(tmp_path / "mine/2/model.onnx")
    wave = make_wave(1.0)[None]
    found = session.run(["probabilities"], {"input_values": wave})[0]
    assert np.array_equal(found, OnnxClassifier(bundle)(wave))


def test_a_folder_that_is_no_triton_model_is_left_alone(
    wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="no Triton model"):
        push_triton(Bundle.load(export_once(wav2vec2)), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write the Triton model"):
        push_triton(Bundle.load(export_once(wav2vec2)), tmp_path / "file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "mine"]
