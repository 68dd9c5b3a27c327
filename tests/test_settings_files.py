"""Settings and lists as Windows programs save them are read by whatever takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ser_rt import testing
from ser_rt.bundle import Bundle
from ser_rt.client.engine import ServerModel
from ser_rt.commands.stream_options import parse
from ser_rt.errors import CheckpointError, ConfigError, ServerError
from ser_rt.export.evaluation import read_figures
from ser_rt.networks.checkpoint import CONFIG, read_config
from ser_rt.server.auth import read_keys
from ser_rt.training.data.aihub import load_aihub

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16")
KEY = "0123456789abcdef0123456789abcdef"

pytestmark = pytest.mark.parametrize("encoding", ENCODINGS)


def save(path: Path, text: str, encoding: str) -> Path:
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    return path


def test_a_file_of_flags(tmp_path: Path, encoding: str) -> None:
    path = save(tmp_path / "감정.toml", "# 설정\nhop = 1.0\nrate = 44100.0\n\n", encoding)
    flags = parse(["-", "--config", str(path)])
    assert (flags.hop, flags.rate) == (1.0, 44_100)


def test_files_of_keys(tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "keys", f"{KEY}\n\n# old\n", encoding)
    path.chmod(0o600)
    assert read_keys(path) == [KEY]
    tokens: list[str] = []

    def client(_: str, token: str) -> None:
        tokens.append(token)
        raise ServerError

    monkeypatch.setattr("ser_rt.client.engine.AsyncClient", client)
    with pytest.raises(ServerError):
        ServerModel("ws://server", str(save(path, f"{KEY}\n", encoding)))
    assert tokens == [KEY]


def test_a_script_of_a_corpus(tmp_path: Path, encoding: str) -> None:
    save(tmp_path / "Script.txt", "F0001_000001 JOY\n오늘은\n오느른\no neu reun\n", encoding)
    (tmp_path / "F0001_000001.WAV").touch()
    (tmp_path / "._F0001_000001.wav").touch()
    (clip,) = load_aihub(tmp_path)
    assert (clip.path.name, clip.sentence) == ("F0001_000001.WAV", "오늘은")


def test_json_files(tmp_path: Path, encoding: str) -> None:
    bundle = testing.tiny_bundle(tmp_path / "tiny")
    manifest = bundle / "manifest.json"
    save(manifest, manifest.read_text(encoding="utf-8"), encoding)
    assert Bundle.load(bundle).name == "tiny"
    save(tmp_path / CONFIG, '{"kind": "ser-rt checkpoint", "head": "no"}', encoding)
    with pytest.raises(CheckpointError, match="trained"):
        read_config(tmp_path)
    save(tmp_path / "evaluation.json", json.dumps({"overall": {}}), encoding)
    with pytest.raises(ConfigError, match="ser-evaluate"):
        read_figures(tmp_path / "evaluation.json")
