"""Words that no file may have, names that are used once, and the sample."""

from __future__ import annotations

import ast

import numpy as np
import pytest
import soundfile

from tests.support.source_tree import ROOT, files, modules

# With a bar in them, or this file would find itself.
_BARRED = (
    "py|pi.org",
    "python|hosted.org",
    "download.py|torch.org",
    "deb.|debian.org",
    "npm|js.org",
    "/|work/",
    "/|root/",
    "/|home/",
    "/|Users/",
    "..|/shared",
)
UNSAID = [words.replace("|", "") for words in _BARRED]


@pytest.mark.parametrize("words", UNSAID)
def test_no_file_names_a_registry_or_a_machine(words: str) -> None:
    for path in files():
        assert words.encode() not in path.read_bytes(), path.relative_to(ROOT)


def test_a_public_class_has_a_name_of_its_own() -> None:
    """But for what Triton looks for, in a module of each of its models."""
    homes: dict[str, list[str]] = {}
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith(("_", "TritonPython")):
                homes.setdefault(node.name, []).append(module)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


PACED = {
    "tests/runtime/test_soak.py": "fifteen minutes of a recording come in fifteen minutes",
    "tests/server/test_load.py": "people speak no faster than they do",
    "tests/support/waiting.py": "polls, where no event announces a condition",
}
"""Where time may pass."""


def test_no_test_sleeps_where_it_could_wait_for_something() -> None:
    for path in files("tests"):
        name = str(path.relative_to(ROOT))
        tree = ast.parse(path.read_text(encoding="utf-8") if path.suffix == ".py" else "")
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            what, how_long = ast.unparse(call.func), [ast.unparse(given) for given in call.args]
            sleeps = what.endswith(("sleep", "Event().wait")) and how_long not in ([], ["0"])
            assert not sleeps or name in PACED, (
                f"{name}:{call.lineno}: use tests/support/waiting.py"
            )


@pytest.mark.parametrize("words", ["site-packages", "stack_trace", '.py"', "tmp/"])
def test_no_built_in_bundle_tells_where_it_was_made(words: str) -> None:
    for path in files("ser_rt/bundles"):
        assert words.encode() not in path.read_bytes(), path.relative_to(ROOT)


def test_the_sample_is_half_a_minute_with_real_silence() -> None:
    path = ROOT / "ser_rt/samples/demo.flac"
    samples, rate_hz = soundfile.read(path)
    assert (rate_hz, samples.ndim) == (16_000, 1)
    assert 25 <= len(samples) / rate_hz <= 40
    assert path.stat().st_size <= 600_000
    sounding = np.flatnonzero(samples)
    assert np.diff(sounding).max() >= 3.2 * rate_hz
