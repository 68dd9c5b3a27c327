"""Code of the README and the docs runs here, or has the reason why not in a comment before it."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import soundfile

import ser_rt
from ser_rt import testing
from ser_rt.bundle import built_in_bundles, sample_path
from tests.support.source_tree import ROOT
from tests.test_packaging import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(
    r"(<!-- not run: [^\n]+ -->\n)?^```(python|bash)\n(.*?)^```", re.DOTALL | re.MULTILINE
)
TOOLS = {"cd", "git", "ffmpeg", "head", "arecord", "torchrun", "accelerate"}
TOOLS |= {"curl", "openssl", "docker", "pyinstaller", "pytest", "tritonserver"}
SERVER = "ws://127.0.0.1:8765/v1/stream"
needs_model = pytest.mark.skipif(not built_in_bundles(), reason="no built-in model here")


class Block(NamedTuple):
    where: str
    language: str
    code: str


def blocks(language: str) -> list[Block]:
    found = []
    for path in PAGES:
        if path.name == "README.ko.md":  # runs in test_original_readme.py
            continue
        if (path.name, language) == ("embedding.md", "python"):  # runs in runtime/test_embedding.py
            continue
        text = path.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text[: match.start(3)].count("\n")
            if not match[1] and match[2] == language:
                found.append(Block(f"{path.name}:{line}", match[2], match[3]))
    return found


COMMANDS = [
    pytest.param(line, id=f"{block.where}: {line}")
    for block in blocks("bash")
    for line in block.code.replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture
def speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six seconds of the sample as speech.wav in the current folder."""
    samples, rate_hz = soundfile.read(sample_path(), stop=96_000)
    soundfile.write(tmp_path / "speech.wav", samples, rate_hz)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def batch_result() -> None:
    """Classify speech.wav, listed with its speaker, into the folder `result`."""
    pytest.importorskip("pyarrow", reason="needs the batch extra")
    from ser_rt.batch.cli import main

    with open("clips.csv", "w", encoding="utf-8") as table:  # noqa: PTH123 (the current folder's)
        table.write("file_path,speaker\nspeech.wav,first\n")
    assert main(["clips.csv", "--out", "result", "--workers", "1", "--quiet"]) == 0


@needs_model
@pytest.mark.usefixtures("speech")
@pytest.mark.parametrize("block", [pytest.param(b, id=b.where) for b in blocks("python")])
def test_python_block_runs(block: Block) -> None:
    a_reader_has = {"chunks": [np.zeros(4800, np.float32)] * 15, "__name__": "__main__"}
    with ExitStack() as stack:
        code = block.code
        if SERVER in code:
            pytest.importorskip("uvicorn", reason="needs the server extra")
            from tests.server.conftest import serving

            code = code.replace(SERVER, stack.enter_context(serving(ser_rt.load())).ws)
        if '"result/' in code:
            batch_result()
        exec(compile(code, block.where, "exec"), a_reader_has)  # noqa: S102 (our docs)


def flags_of(module: str, capsys: pytest.CaptureFixture[str], *command: str) -> set[str]:
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(module).main([*command, "--help"])
    assert stop.value.code == 0
    return set(map(hyphens, re.findall(r"--?[\w-]+", capsys.readouterr().out)))


def hyphens(flag: str) -> str:
    """Write a flag as the docs do; commands take it with underscores as well."""
    return flag[:2] + flag[2:].replace("_", "-")


@pytest.mark.parametrize("line", COMMANDS)
def test_command_exists_with_its_flags(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for part in line.split("|"):
        words = shlex.split(part, comments=True)
        flags = {
            hyphens(word.partition("=")[0]) for word in words if re.match(r"--?[a-zA-Z]", word)
        }
        if words[0] == "make":
            assert f"\n{words[1]}:" in makefile
        elif words[:2] == ["pip", "install"]:
            extras = re.findall(r"[a-z]+", "".join(re.findall(r"\[(.+?)\]", part)))
            assert set(extras) <= set(PROJECT["optional-dependencies"])
        elif words[:2] == ["python", "-m"]:
            assert flags - {"-m"} <= flags_of(words[2], capsys)
        elif words[0] in PROJECT["scripts"]:
            command = words[1:2] if words[0] == "ser-bench" else []
            assert flags <= flags_of(PROJECT["scripts"][words[0]].split(":")[0], capsys, *command)
        else:
            assert words[0] in TOOLS, f"teach {__name__} what {words[0]} is"
            tests = words[1:] if words[0] == "pytest" else []
            assert all((ROOT / test).exists() for test in tests if test.endswith(".py"))


@needs_model
@pytest.mark.usefixtures("speech")
@pytest.mark.parametrize("line", [c for c in COMMANDS if "ser-stream speech.wav" in str(c.id)])
def test_stream_command_runs(line: str) -> None:
    from ser_rt.commands.stream import main

    assert main(shlex.split(line.partition("|")[0], comments=True)[1:]) == 0


def test_the_event_shown_is_an_event(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    shown = [json.loads(line) for block in found for line in block.splitlines()]
    model = testing.tiny_bundle(tmp_path / "tiny")
    real = next(ser_rt.stream(sample_path(), model=model)).to_dict()
    for event in shown:
        assert list(event) == list(real)
        assert list(event["probabilities"]) == list(real["probabilities"])
        assert sum(event["probabilities"].values()) == pytest.approx(1.0)
        assert event["latency_ms"].keys() == real["latency_ms"].keys()
        total, *parts = event["latency_ms"].values()
        assert total == pytest.approx(sum(parts))


def anchors(path: Path) -> list[str]:
    """Return the anchors of a page's headings, as forges make them."""
    text = re.sub(
        r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        target = page.parent / name if name else page
        assert target.exists(), f"{page.name} links to {name}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {name}#{anchor}"


def test_the_index_of_decisions_names_them_all() -> None:
    path = ROOT / "docs" / "decisions.md"
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"^  - \[(.+)\]\(#.+\)$", text, re.MULTILINE)
    assert named == re.findall(r"^### (.+)$", text, re.MULTILINE)
