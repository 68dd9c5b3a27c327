"""Providers of packages of their own: registered once, refused with a reason."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ser_rt import testing
from ser_rt.bundle import Bundle
from ser_rt.errors import ProviderError
from ser_rt.runtime.backends import plugins, tensorrt
from ser_rt.runtime.backends.graphs import graphs_of
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.ort import onnxruntime
from ser_rt.runtime.backends.plugins import RTX, WEBGPU, Plugin, devices, named
from ser_rt.runtime.backends.providers import PROVIDERS, Provider, Workload

FAKE = Plugin("fake", "fake_plugin", "FakeExecutionProvider", "it needs a fake card")


class FakeOnnxruntime:
    """Knows the devices of a plugin once its library was registered."""

    def __init__(self, *found: Any, fails: str = "", version: str = "1.31.0") -> None:
        self.__version__ = version
        self._found, self._fails = found, fails
        self.registered: list[str] = []

    def register_execution_provider_library(self, name: str, _: str) -> None:
        if self._fails:
            raise RuntimeError(self._fails)
        if name in self.registered:
            msg = f"EP library is already registered under {name}"
            raise RuntimeError(msg)
        self.registered.append(name)

    def get_ep_devices(self) -> list[Any]:
        return [SimpleNamespace(ep_name="CPUExecutionProvider"), *self._found]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("fake_plugin")
    module.get_library_path = lambda: "/libfake.so"  # type: ignore[attr-defined]  # a double
    module.__spec__ = SimpleNamespace()  # type: ignore[assignment]  # find_spec asks for one
    monkeypatch.setitem(sys.modules, "fake_plugin", module)


def test_one_that_is_not_installed_says_what_installs_it() -> None:
    with pytest.raises(ProviderError, match=r"ser-rt\[cpu,fake\]"):
        devices(FakeOnnxruntime(), FAKE)


def test_an_onnxruntime_without_plugins_is_named() -> None:
    with pytest.raises(ProviderError, match="no plugins"):
        devices(FakeOnnxruntime(version="1.20.1"), FAKE)


@pytest.mark.usefixtures("installed")
def test_without_a_device_it_says_what_it_needs() -> None:
    with pytest.raises(ProviderError, match="a fake card"):
        devices(FakeOnnxruntime(), FAKE)


@pytest.mark.usefixtures("installed")
def test_its_devices_are_found_as_often_as_they_are_asked_for() -> None:
    card = SimpleNamespace(ep_name=FAKE.ep_name)
    ort = FakeOnnxruntime(card)
    assert devices(ort, FAKE) == devices(ort, FAKE) == [card]
    assert ort.registered == [FAKE.ep_name]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ("libcuda.so.1: cannot open shared object file", "it needs a fake card"),
        ("undefined symbol: abc", "--force-reinstall"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="libraries have other names there")
def test_a_library_that_does_not_load_says_why(fails: str, reason: str) -> None:
    with pytest.raises(ProviderError) as caught:
        devices(FakeOnnxruntime(fails=fails), FAKE)
    assert fails in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.abort()", "process ended"),
        ("raise SystemExit('no Vulkan driver')", "no Vulkan driver"),
    ],
)
def test_one_that_would_end_the_process_ends_another(
    monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    monkeypatch.setattr(plugins, "_TRIAL", code)
    ort = FakeOnnxruntime(SimpleNamespace(ep_name=FAKE.ep_name))
    careful = replace(FAKE, is_tried_first=True, needs=f"it needs {reason}")
    with pytest.raises(ProviderError, match=f"does not start .*{reason}"):
        devices(ort, careful)


def test_the_trial_is_a_sum_that_onnxruntime_can_do() -> None:
    session = onnxruntime().InferenceSession(bytes.fromhex(plugins._SUM))
    assert session.run(None, {"x": np.ones(1, np.float32)})[0].tolist() == [2.0]


def test_a_device_has_a_name() -> None:
    hardware = SimpleNamespace(metadata={"Description": "A Card"}, vendor="", device_id=1)
    assert named(SimpleNamespace(device=hardware)) == "A Card"
    hardware = SimpleNamespace(metadata={}, vendor="Maker", device_id=0x2684)
    assert named(SimpleNamespace(device=hardware)) == "Maker 0x2684"


@pytest.mark.parametrize("plugin", [RTX, WEBGPU], ids=lambda plugin: plugin.extra)
def test_the_real_package_finds_a_device_or_says_why(plugin: Plugin, tiny_bundle: Path) -> None:
    pytest.importorskip(plugin.module)
    try:
        classifier = OnnxClassifier(Bundle.load(tiny_bundle), plugin.extra)
    except ProviderError as error:
        assert plugin.needs in str(error)  # noqa: PT017 (a machine may have the device)
    else:
        assert plugin.ep_name in classifier.nodes


@pytest.mark.parametrize("name", ["tensorrt-rtx", "webgpu"])
def test_int8_is_refused(tmp_path: Path, name: str) -> None:
    int8 = Bundle.load(testing.tiny_bundle(tmp_path / "int8", precision="int8"))
    with pytest.raises(ProviderError, match=f"for {name}: ser-export .*int8 --precision fp16"):
        OnnxClassifier(int8, name)


def test_tensorrt_for_rtx_is_told_shapes_and_a_cache(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorrt, "gpu_and_driver", lambda: ("RTX 4090", "580.1"))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    bundle = Bundle.load(tiny_bundle)
    (execution,) = PROVIDERS["tensorrt-rtx"].executions(Workload(bundle))
    ((name, options),) = execution.providers(graphs_of(bundle, None)[0])
    assert name == RTX.ep_name
    assert options["nv_profile_min_shapes"] == "input_values:1x4000"
    assert options["nv_profile_opt_shapes"] == "input_values:1x48000"
    assert options["nv_profile_max_shapes"] == "input_values:16x48000"
    cache = Path(options["nv_runtime_cache_path"])
    assert cache.is_dir()
    assert execution.limits_shapes
    tensorrt.discard_empty_cache(options)
    assert not cache.exists()


def test_a_plugins_device_is_what_the_session_is_given(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the CPU's own device in place of a card's: the way there is the same."""
    ort = onnxruntime()
    here = [device for device in ort.get_ep_devices() if device.ep_name == "CPUExecutionProvider"]
    monkeypatch.setattr("ser_rt.runtime.backends.session.devices", lambda *_: here)
    plain = PROVIDERS["cpu"].executions(Workload(Bundle.load(tiny_bundle)))[0]
    monkeypatch.setitem(
        PROVIDERS, "webgpu", Provider(lambda _: [replace(plain, plugin=FAKE)], "gpu")
    )
    classifier = OnnxClassifier(Bundle.load(tiny_bundle), "webgpu")
    assert set(classifier.nodes) == {"CPUExecutionProvider"}
