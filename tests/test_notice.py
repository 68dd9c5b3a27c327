"""What a model's users should be told, wherever they meet it."""

from __future__ import annotations

import html
import json
from pathlib import Path

import httpx
import pytest

import ser_rt
from ser_rt.bundle import Bundle
from ser_rt.commands.check import main as check
from ser_rt.commands.report import main as report
from ser_rt.commands.stream import main as stream
from ser_rt.errors import BundleInvalidError
from ser_rt.manifest import MANIFEST_FILE
from ser_rt.testing import tiny_bundle
from tests.server.conftest import serving

NOTICE = "For tests only, and <b>not</b> for people. 시험용."


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("models") / "noticed", notice=NOTICE)


def test_the_stream_begins_with_it(
    bundle: Path, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [str(speech), str(speech), "--model", str(bundle), "--no-vad"]
    assert stream(line) == 0
    assert [text for text in capsys.readouterr().err.splitlines() if "people" in text] == [NOTICE]
    assert stream([*line, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_the_check_shows_it(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check([str(bundle), "--provider", "cpu"]) == 0
    assert NOTICE in capsys.readouterr().out.splitlines()
    assert check([str(bundle), "--provider", "cpu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notice"] == NOTICE


def test_a_server_passes_it_on(
    bundle: Path, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(ser_rt.load(bundle)) as running:
        (model,) = httpx.get(running.http("/v1/models"), timeout=60).json()["models"]
        assert model["notice"] == NOTICE
        assert stream([str(speech), "--server", running.ws, "--no-vad"]) == 0
    assert NOTICE in capsys.readouterr().err.splitlines()


def test_a_report_shows_it_as_text(bundle: Path, speech: Path, tmp_path: Path) -> None:
    page = tmp_path / "speech.html"
    assert report([str(speech), "--model", str(bundle), "--no-vad", "-q", "-o", str(page)]) == 0
    assert html.escape(NOTICE) in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("notice", [3, "", "two\nlines", "\u202etxet", "x" * 501])
def test_a_manifest_with_one_that_cannot_be_shown_is_refused(
    notice: object, bundle: Path, tmp_path: Path
) -> None:
    manifest = json.loads((bundle / MANIFEST_FILE).read_bytes())
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(manifest | {"notice": notice}))
    with pytest.raises(BundleInvalidError, match="notice"):
        Bundle.load(tmp_path)
