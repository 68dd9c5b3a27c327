"""What may import what, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.source_tree import ROOT, Import, files, imports, modules

RUNNING = {"runtime"}
LEARNING = (
    {"architectures", "checkpoint", "data_loader", "fine_tuning", "losses", "model", "run_folder"}
    | {"trainer", "training_arguments", "training_checkpoints", "training_loop"}
    | {"training_scores", "training_trackers", "training_windows", "weight_average"}
)
ROWS: tuple[set[str], ...] = (
    {"errors", "config", "audio", "cli", "names", "outputs", "standard_streams", "terminable"}
    | {"text_files", "whole"},
    {"bundle", "classifier", "augmentation", "batching", "corpus", "metrics", "plots", "presets"}
    | {"manifest", "provenance", "sample_data", "tables", "audio_files", "emotion_names"},
    # Learning hears files through the decoder that streaming has: there is no second one.
    RUNNING | LEARNING | {"preprocessing", "audio_cache", "client", "clip_check"},
    {"__init__", "train", "evaluate", "inference", "evaluation", "loading", "report", "stress"}
    | {"_pyinstaller", "aihub", "batch", "check", "cluster", "server", "utils"},
    {"export"},
    {"benchmarks"},
)
"""Imports point down or stay in their row; a folder stands for all that is in it."""

HEAVY = ("torch", "transformers", "librosa", "matplotlib")

ALL = {name: list(imports(name, path)) for name, path in modules().items()}


def unit(module: str) -> str:
    """Return the name in `ROWS` that a module belongs to."""
    top, *rest = module.split(".")
    return top if top in ("export", "benchmarks") else (rest or ["__init__"])[0]


def row(module: str) -> int:
    """Return the row of a module, 0 at the bottom."""
    for number, names in enumerate(ROWS):
        if unit(module) in names:
            return number
    pytest.fail(f"{module} has no place in ROWS of {__file__}")


def inner_imports(module: str) -> list[tuple[str, Import]]:
    """What a module imports from the repository: (module imported, statement)."""
    found = []
    for statement in ALL[module]:
        if statement.top in ("ser_rt", "export"):
            whole = f"{statement.module}.{statement.name}"
            found.append((whole if whole in ALL else statement.module, statement))
    return found


def taken_from_root(module: str, statement: Import) -> set[str]:
    """Return the public names of `ser_rt` that a module uses through this import."""
    if statement.name:
        return {statement.name}
    nodes = ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8")))
    uses = (n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name))
    return {use.attr for use in uses if use.value.id == "ser_rt"}  # type: ignore[attr-defined]


def run(code: str) -> str:
    """Run code in a fresh interpreter; return what it prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def test_the_runtime_loads_without_torch() -> None:
    names = ["ser_rt", *(name for name in ALL if name.startswith("ser_rt.runtime"))]
    code = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""
    assert run(code).split() == []


@pytest.mark.parametrize("module", ALL)
def test_imports_point_down(module: str) -> None:
    for imported, statement in inner_imports(module):
        if imported == "ser_rt" and taken_from_root(module, statement) <= {"__version__"}:
            continue
        assert row(imported) <= row(module), f"{module} imports {imported}"


def test_running_and_learning_do_not_know_each_other() -> None:
    for module in ALL:
        for imported, _ in inner_imports(module):
            ends = {unit(module), unit(imported)}
            assert not (ends & RUNNING and ends & LEARNING), f"{module} imports {imported}"


def test_ser_rt_never_imports_export() -> None:
    for module in ALL:
        if module.startswith("ser_rt"):
            for imported, _ in inner_imports(module):
                assert not imported.startswith(("export", "ser_rt.export")), module


@pytest.mark.parametrize(
    ("library", "places"),
    [
        ("onnxruntime", {"ser_rt.runtime.onnx_classifier", "ser_rt.runtime.providers"}),
        ("sounddevice", {"ser_rt.runtime.sources.portaudio"}),
        ("av", {"ser_rt.audio.ffmpeg"}),
        ("rich", {"ser_rt.runtime.live_ui", "ser_rt.batch.progress", "ser_rt.check"}),
        ("ray", {"ser_rt.batch.on_ray"} | {m for m in ALL if m.startswith("ser_rt.cluster.")}),
    ],
)
def test_a_library_stays_in_its_place(library: str, places: set[str]) -> None:
    users = {m for m, found in ALL.items() for i in found if i.top == library}
    assert {m for m in users if not m.startswith("export")} <= places


def test_sounddevice_and_av_are_imported_lazily() -> None:
    for found in ALL.values():
        for statement in found:
            assert statement.lazy or statement.top not in ("sounddevice", "av"), statement


def test_no_module_is_over_300_lines() -> None:
    for path in files("ser_rt", "export", "benchmarks", "tests"):
        if path.suffix == ".py":
            lines = len(path.read_text(encoding="utf-8").splitlines())
            assert lines <= 300, f"{path.relative_to(ROOT)} has {lines} lines"
