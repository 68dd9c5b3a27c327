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
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    return folder


def test_libraries_of_other_folders_are_opened_each_after_what_it_needs(
    packages: Path, tmp_path: Path
) -> None:
    opened: list[str] = []
    called: list[str] = []

    def load(path: str) -> None:
        opened.append(Path(path).name)
        raise OSError(path)  # the next is opened all the same

    ort = SimpleNamespace(
        __file__=str(tmp_path / "site" / "onnxruntime" / "__init__.py"),
        preload_dlls=lambda: called.append("onnxruntime's own"),
    )
    preload(ort, load)
    assert called == ["onnxruntime's own"]
    mine = [name for name in opened if "cusolver" not in name]
    assert mine.index("libcublasLt.so.13") < mine.index("libcublas.so.13")
    assert {"libcudart.so.13", "libcudnn.so.9"} <= set(mine)
    assert "libcusolver.so.12" not in opened
    assert packages.is_dir()


def test_what_lies_beside_onnxruntime_is_its_own_business(packages: Path) -> None:
    found = [path for path in packaged_libraries(packages) if path.is_relative_to(packages)]
    assert found == []
