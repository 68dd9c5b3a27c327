"""What can be known of GPU providers without a GPU: options, shapes, caches, refusals, messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ser_rt import testing
from ser_rt.bundle import Bundle
from ser_rt.errors import AudioInputError, OutputError, ProviderError
from ser_rt.manifest import FeatureReuse
from ser_rt.runtime.backends import diagnosis as provider_trouble
from ser_rt.runtime.backends import session, tensorrt
from ser_rt.runtime.backends.diagnosis import trouble
from ser_rt.runtime.backends.graphs import NO_CACHES, graphs_of
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.ort import onnxruntime
from ser_rt.runtime.backends.providers import (
    CPU,
    CUDA,
    PROVIDERS,
    TENSORRT,
    Provider,
    Workload,
)
from tests.support.two_part_bundle import build_two_part_bundle


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a GPU, as far as the cache's name goes, and a home of its own."""
    monkeypatch.setattr(tensorrt, "gpu_and_driver", lambda: ("NVIDIA H100", "570.1"))
    monkeypatch.setattr(tensorrt, "tensorrt_version", lambda: "101300")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")


def options_of(name: str, bundle: Bundle, **how: bool) -> list[tuple[str, dict[str, str]]]:
    execution = PROVIDERS[name].executions(Workload(bundle, **how))[-1]
    return execution.providers(graphs_of(bundle, None)[0])


def test_the_cpu_needs_no_options(bundle: Bundle) -> None:
    assert options_of("cpu", bundle) == [(CPU, {})]


def test_cuda_searches_long_only_where_lengths_are_fixed(bundle: Bundle) -> None:
    for fixed_lengths, search in ((False, "HEURISTIC"), (True, "EXHAUSTIVE")):
        ((name, options),) = options_of("cuda", bundle, fixed_lengths=fixed_lengths)
        assert (name, options["cudnn_conv_algo_search"]) == (CUDA, search)
        assert options["cudnn_conv1d_pad_to_nc1d"] == "1"
        assert "enable_cuda_graph" not in options


def test_cuda_captures_graphs_where_it_can(bundle: Bundle) -> None:
    first, second = PROVIDERS["cuda"].executions(Workload(bundle))
    ((_, options),) = first.providers(graphs_of(bundle, None)[0])
    assert (first.captures, second.captures) == (True, False)
    assert options["enable_cuda_graph"] == "1"


def test_tensorrt_compiles_for_the_windows_of_the_manifest(bundle: Bundle) -> None:
    (first, options), (second, _) = options_of("tensorrt", bundle)
    assert (first, second) == (TENSORRT, CUDA)
    assert options["trt_profile_min_shapes"] == "input_values:1x4000"
    assert options["trt_profile_opt_shapes"] == "input_values:1x48000"
    assert options["trt_profile_max_shapes"] == "input_values:16x48000"
    assert options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "1"
    assert Path(options["trt_engine_cache_path"]).is_dir()
    assert "trt_fp16_enable" not in options


def test_each_part_has_the_shapes_that_a_stream_asks_of_it(bundle: Bundle) -> None:
    reuse = FeatureReuse(Path("frontend.onnx"), Path("encoder.onnx"), 400, 320, 512)
    frontend, encoder = graphs_of(bundle, reuse)
    assert (frontend.least, frontend.usual, frontend.most) == ((1, 400), (1, 8080), (16, 48_000))
    assert (encoder.least, encoder.usual, encoder.most) == (
        (1, 12, 512),
        (1, 149, 512),
        (16, 149, 512),
    )
    (execution,) = PROVIDERS["tensorrt"].executions(Workload(bundle))
    options = dict(execution.providers(encoder))[TENSORRT]
    assert options["trt_profile_opt_shapes"] == "features:1x149x512"
    assert options["trt_engine_cache_prefix"] == "encoder"


def test_fp16_is_told_to_tensorrt(tmp_path: Path) -> None:
    half = Bundle.load(testing.tiny_bundle(tmp_path / "half", precision="fp16"))
    options = dict(options_of("tensorrt", half))[TENSORRT]
    assert options["trt_fp16_enable"] == options["trt_layer_norm_fp32_fallback"] == "1"


def test_an_engine_is_kept_for_one_machine_and_one_network(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tensorrt.cache_folder(bundle)
    assert here == tensorrt.cache_folder(bundle)
    other = Bundle.load(testing.tiny_bundle(tmp_path / "other", version="2.0"))
    folders = {here, tensorrt.cache_folder(other)}
    assert tensorrt.cache_folder(replace(bundle, name="../../../up")).parent == here.parent
    monkeypatch.setattr(tensorrt, "tensorrt_version", lambda: "101400")
    folders.add(tensorrt.cache_folder(bundle))
    monkeypatch.setattr(tensorrt, "gpu_and_driver", lambda: ("NVIDIA H100", "580.2"))
    folders.add(tensorrt.cache_folder(bundle))
    monkeypatch.setattr(tensorrt, "gpu_and_driver", lambda: ("NVIDIA L4", "580.2"))
    folders.add(tensorrt.cache_folder(bundle))
    monkeypatch.setattr(onnxruntime(), "__version__", "9.9")
    folders.add(tensorrt.cache_folder(bundle))
    monkeypatch.setattr(tensorrt, "MOST_AT_ONCE", 32)
    folders.add(tensorrt.cache_folder(bundle))
    assert len(folders) == 7


def test_a_cache_that_cannot_be_made_is_named(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cache"):
        options_of("tensorrt", bundle)


def test_an_attempt_that_fails_leaves_no_empty_cache(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        assert tensorrt.cache_folder(bundle).is_dir()
        msg = "no TensorRT"
        raise RuntimeError(msg)

    ort = onnxruntime()
    monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CPU])
    monkeypatch.setattr(ort, "InferenceSession", fail)
    for kept in (False, True):
        if kept:
            tensorrt.cache_folder(bundle).mkdir(parents=True)
            (tensorrt.cache_folder(bundle) / "model.engine").touch()
        with pytest.raises(ProviderError):
            OnnxClassifier(bundle, "tensorrt")
        assert (tmp_path / "cache").exists() == kept


def test_shapes_that_were_not_compiled_for_are_refused(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cpu,) = PROVIDERS["cpu"].executions(Workload(Bundle.load(tiny_bundle)))
    limited = [type(cpu)(**{**vars(cpu), "limits_shapes": True})]
    monkeypatch.setitem(PROVIDERS, "cpu", Provider(lambda _: limited, "cpu"))
    classifier = OnnxClassifier(Bundle.load(tiny_bundle))
    assert classifier(np.zeros((16, 48_000), np.float32)).shape == (16, 6)
    for shape in ((1, 48_001), (17, 48_000), (1, 3999)):
        with pytest.raises(AudioInputError, match=r"\[1, 4000\]"):
            classifier(np.zeros(shape, np.float32))


@pytest.mark.parametrize("name", ["cuda", "tensorrt"])
def test_int8_is_for_the_cpu(tmp_path: Path, name: str) -> None:
    int8 = Bundle.load(testing.tiny_bundle(tmp_path / "int8", precision="int8"))
    with pytest.raises(ProviderError, match=f"for {name}: ser-export .*int8 --precision fp16"):
        OnnxClassifier(int8, name)
    assert OnnxClassifier(int8, "auto").provider == "cpu"


def fake_onnxruntime(*providers: str) -> Any:
    return SimpleNamespace(get_available_providers=lambda: providers, __file__="/ort/__init__.py")


class Driver:
    """NVIDIA's driver, with some GPUs."""

    def __init__(self, gpus: int, status: int = 0) -> None:
        self._gpus, self._status = gpus, status

    def cuInit(self, _: int) -> int:  # noqa: N802 (as CUDA calls it)
        return self._status

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802 (CUDA's name)
        count._obj.value = self._gpus
        return 0


def loader(driver: Driver | None, missing: str | None = None) -> Callable[[str], Any]:
    def load(name: str) -> Any:
        if "libcuda" in name or "nvcuda" in name:
            if driver is None:
                raise OSError(name)
            return driver
        if missing and "shared" not in name:
            msg = f"{missing}: cannot open shared object file"
            raise OSError(msg)
        return None

    return load


@pytest.mark.parametrize(
    ("provider", "driver", "missing", "message"),
    [
        (CUDA, None, None, "no NVIDIA driver"),
        (CUDA, Driver(0, 100), None, "CUDA error 100"),
        (CUDA, Driver(0), None, "finds no GPU"),
        (CUDA, Driver(1), "libcublasLt.so.13", "libcublasLt.so.13: cannot open"),
        (CUDA, Driver(1), "libcublasLt.so.13", "pip install"),
        (TENSORRT, Driver(1), "libnvinfer.so.10", "install TensorRT 10"),
        (CUDA, Driver(1), None, "it ran elsewhere"),
    ],
)
def test_a_provider_that_did_not_come_up_says_why(
    provider: str, driver: Driver | None, missing: str | None, message: str
) -> None:
    assert message in trouble(
        fake_onnxruntime(provider), provider, "it ran elsewhere", loader(driver, missing)
    )


def test_the_wrong_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    versions: dict[str, str | None] = {"onnxruntime": "1.31.0", "onnxruntime-gpu": None}
    monkeypatch.setattr(provider_trouble, "_version", versions.get)
    message = trouble(fake_onnxruntime(CPU), CUDA, "")
    assert message.startswith("onnxruntime 1.31.0 was built without CUDAExecutionProvider: pip")
    assert "'ser-rt[gpu]'" in message
    versions["onnxruntime-gpu"] = "1.31.1"
    assert "1.31.1 are both installed" in trouble(fake_onnxruntime(CPU), CUDA, "")


def test_what_onnxruntime_prints_when_it_falls_back_stays_out_of_the_output(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fall_back(*_: object, **settings: object) -> None:
        print("EP Error: falling back")  # noqa: T201 (as onnxruntime does)
        assert settings["enable_fallback"] == 0
        msg = "no TensorRT"
        raise RuntimeError(msg)

    ort = onnxruntime()
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(ort, "InferenceSession", fall_back)
    monkeypatch.setattr(session, "trouble", lambda _, __, otherwise: otherwise)
    with pytest.raises(ProviderError, match="no TensorRT"):
        OnnxClassifier(bundle, "cuda")
    assert capsys.readouterr().out == ""


def test_both_parts_run_on_the_same_provider(two_part_bundle: Path) -> None:
    class Half:
        """Comes up for the first graph only."""

        def __init__(self, path: str, *_: object, providers: Any, **__: object) -> None:
            came_up = "frontend" in path or providers[0][0] == CPU
            self._providers = [providers[0][0] if came_up else CPU]
            options = ort.SessionOptions()
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
            self._real = real(path, options, providers=[CPU])

        def get_providers(self) -> list[str]:
            return self._providers

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    ort = onnxruntime()
    real = ort.InferenceSession
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
        patch.setattr(ort, "InferenceSession", Half)
        classifier = OnnxClassifier(Bundle.load(two_part_bundle), "auto")
    assert classifier.provider == "cpu"
    assert set(classifier.nodes) == {CPU}


def test_warming_up_runs_every_part_at_the_sizes_of_a_stream(tmp_path: Path) -> None:
    classifier = OnnxClassifier(Bundle.load(build_two_part_bundle(tmp_path / "two")))
    shapes: list[tuple[int, ...]] = []
    for opened in classifier._windows().sessions:
        run = opened.run

        def seen(names: list[str], values: Any, caches: Any = NO_CACHES, run: Any = run) -> Any:
            shapes.append(values.shape)
            return run(names, values, caches)

        opened.run = seen  # type: ignore[method-assign]  # a double
    classifier.warm_up()
    assert shapes == [(1, 48_000), (1, 149, 8), (1, 8080), (1, 16_000), (1, 49, 8)]


def test_nodes_are_counted_by_where_they_run(two_part_bundle: Path) -> None:
    parts = OnnxClassifier(Bundle.load(two_part_bundle))
    whole = OnnxClassifier(Bundle.load(two_part_bundle), reuse=False)
    assert set(parts.nodes) == {CPU}
    assert 5 < whole.nodes[CPU] <= parts.nodes[CPU] <= whole.nodes[CPU] + 4
