"""Which module may import which, and what an import may load."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.support.source_tree import ROOT, Import, files, imports, modules

ROWS: tuple[set[str], ...] = (
    {"errors", "constants"},
    {"checks", "files", "streaming"},
    {"cli", "config", "profiles", "tables"},
    {"manifest"},
    {"bundle", "classifier"},
    {"testing"},
    {"audio"},
    {"runtime", "networks", "evaluation"},
    {"training", "report"},
    {"model", "data_loader", "preprocessing", "trainer", "utils", "loading", "client", "judging"},
    {"train", "evaluate", "inference", "server", "commands", "agents", "mcp"},
    {"cluster", "__init__"},
    {"batch"},
    {"_pyinstaller"},
    {"export"},
    {"benchmarks"},
)
"""Imports point down; a folder stands for all that is in it. In a row nobody imports another."""

LEARNING = {"networks", "training"}

MOVED = {
    "model": ("EmotionModel", "EmotionOutput", "create_model"),
    "data_loader": ("SpeechEmotionDataset",),
}
"""Names that the original module has elsewhere: nothing in the package takes them from there."""

BUILDING = ("ser_rt.export.", "ser_rt.benchmarks.")

HEAVY = ("torch", "transformers", "librosa", "matplotlib")

ALL = {name: list(imports(name, path)) for name, path in modules().items()}


def unit(module: str) -> str:
    """Return the name in `ROWS` that a module belongs to."""
    _, *rest = module.split(".")
    return (rest or ["__init__"])[0]


def row(module: str) -> int:
    """Return the row of a module, 0 at the bottom."""
    for number, names in enumerate(ROWS):
        if unit(module) in names:
            return number
    pytest.fail(f"{module} has no place in ROWS of {__file__}")


def inner_imports(module: str) -> list[tuple[str, Import]]:
    """Return what a module imports from the repository: (module imported, statement)."""
    found = []
    for statement in ALL[module]:
        if statement.top == "ser_rt":
            whole = f"{statement.module}.{statement.name}"
            found.append((whole if whole in ALL else statement.module, statement))
    return found


def taken_from_root(module: str, statement: Import) -> set[str]:
    """Return the public names of `ser_rt` that a module uses through this import."""
    if statement.name:
        return {statement.name}
    nodes = ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8")))
    uses = (n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name))
    return {use.attr for use in uses if use.value.id == "ser_rt"}  # type: ignore[attr-defined]  # a double


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
        assert row(imported) < row(module) or unit(imported) == unit(module), (
            f"{module} imports {imported}"
        )


def test_running_and_learning_do_not_know_each_other() -> None:
    for module in ALL:
        for imported, _ in inner_imports(module):
            ends = {unit(module), unit(imported)}
            assert not ("runtime" in ends and ends & LEARNING), f"{module} imports {imported}"


def test_modules_import_in_no_circle() -> None:
    above = {m: {i for i, _ in inner_imports(m) if i != m} for m in ALL}
    while free := {m for m, below in above.items() if not below & above.keys()}:
        above = {m: below for m, below in above.items() if m not in free}
    assert not above, f"circles among {sorted(above)}"


def test_the_house_takes_moved_names_from_where_they_are() -> None:
    for module in ALL:
        for imported, statement in inner_imports(module):
            name = imported.removeprefix("ser_rt.")
            if name in MOVED:
                assert statement.name not in MOVED[name], f"{module}: {imported}"


def test_few_modules_lie_flat() -> None:
    for folder, most in (("ser_rt", 20), ("ser_rt/runtime", 12)):
        flat = [p for p in (ROOT / folder).glob("*.py") if p.name != "__init__.py"]
        assert len(flat) <= most, f"{folder} has {len(flat)} modules: give some a room"


@pytest.mark.parametrize(
    ("library", "places"),
    [
        (
            "onnxruntime",
            # The second compares a graph with the network that was read from it.
            {"ser_rt.runtime.backends.ort", "ser_rt.networks.transfer"},
        ),
        ("sounddevice", {"ser_rt.audio.sources.portaudio"}),
        ("av", {"ser_rt.audio.decoding.pyav"}),
        (
            "rich",
            {
                *("ser_rt.runtime.sinks.live_ui", "ser_rt.runtime.sinks.live_picture"),
                *("ser_rt.batch.progress", "ser_rt.commands.check"),
                *("ser_rt.training.progress", "ser_rt.training.data.decoded_cache"),
            },
        ),
        ("ray", {"ser_rt.batch.on_ray"} | {m for m in ALL if m.startswith("ser_rt.cluster.")}),
    ],
)
def test_a_library_stays_in_its_place(library: str, places: set[str]) -> None:
    users = {m for m, found in ALL.items() for i in found if i.top == library}
    assert {m for m in users if not m.startswith(BUILDING)} <= places


def test_sounddevice_and_av_are_imported_lazily() -> None:
    for found in ALL.values():
        for statement in found:
            assert statement.lazy or statement.top not in ("sounddevice", "av"), statement


def test_no_module_is_over_300_lines() -> None:
    for path in files("ser_rt", "export", "benchmarks", "tests", "integrations"):
        if path.suffix == ".py":
            lines = len(path.read_text(encoding="utf-8").splitlines())
            assert lines <= 300, f"{path.relative_to(ROOT)} has {lines} lines"
