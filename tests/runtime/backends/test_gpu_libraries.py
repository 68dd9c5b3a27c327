"""NVIDIA's libraries lie where pip put them, which need not be beside onnxruntime."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ser_rt.runtime.backends.gpu_libraries import packaged_libraries, preload

FILES = ("cu13/lib/libcudart.so.13", "cu13/lib/libcublas.so.13", "cu13/lib/libcublasLt.so.13")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="libraries have other names there")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of Python's path with a package of NVIDIA's."""
    folder = tmp_path / "elsewhere"
    for name in (*FILES, "cudnn/lib/libcudnn.so.9", "cu13/lib/libcusolver.so.12"):
        (folder / "nvidia" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "nvidia" / name).touch()
    hiding = tmp_path / "site" / "nvidia" / "__init__.py"  # as of CUDA 12's packages
    hiding.parent.mkdir(parents=True)
    hiding.touch()
    monkeypatch.setattr(sys, "path", [str(hiding.parents[1]), *sys.path, str(folder)])
    return folder


def test_libraries_of_other_folders_are_opened_each_after_what_it_needs(
    packages: Path, tmp_path: Path
) -> None:
    opened: list[str] = []
    called: list[str] = []

    def load(path: str) -> None:
        if Path(path).is_relative_to(packages):  # PyTorch may have others
            opened.append(Path(path).name)
        raise OSError(path)  # the next is opened all the same

    ort = SimpleNamespace(
        __file__=str(tmp_path / "site" / "onnxruntime" / "__init__.py"),
        preload_dlls=lambda: called.append("onnxruntime's own"),
    )
    preload(ort, load)
    assert called == ["onnxruntime's own"]
    assert opened.index("libcublasLt.so.13") < opened.index("libcublas.so.13")
    assert set(opened) == {*(Path(name).name for name in FILES), "libcudnn.so.9"}


def test_what_lies_beside_onnxruntime_is_its_own_business(packages: Path) -> None:
    found = [path for path in packaged_libraries(packages) if path.is_relative_to(packages)]
    assert found == []
