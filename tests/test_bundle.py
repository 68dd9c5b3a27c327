import json
import shutil
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from ser_rt import testing
from ser_rt.bundle import Bundle, built_in_bundles, find_bundle, write_bundle
from ser_rt.errors import BundleInvalidError, BundleNotFoundError, OutputError
from ser_rt.manifest import Manifest
from ser_rt.testing import LABELS
from ser_rt.testing.bundles import MANIFEST, tiny_model


@pytest.fixture
def bundle(tmp_path: Path, tiny_bundle: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def refuse(folder: Path, word: str) -> None:
    with pytest.raises(BundleInvalidError, match=word) as caught:
        Bundle.load(folder)
    assert "\n" not in str(caught.value)


OPTIONAL = ("profiles", "temperature_by_speech")
REQUIRED = [
    key.name for key in fields(Manifest) if key.default is MISSING and key.name not in OPTIONAL
]


def test_load_returns_the_fields_and_files(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    assert [label.en for label in loaded.labels] == list(LABELS)
    assert loaded.labels[1].ko == "분노"
    assert (loaded.window_s, loaded.hop_s, loaded.min_window_s) == (3.0, 0.5, 1.0)
    assert loaded.model_path.read_bytes() == tiny_model()
    assert loaded.files["config.json"]["bytes"] == 2
    assert loaded.manifest == json.loads((bundle / "manifest.json").read_text())


def test_a_missing_folder_and_a_missing_file_are_not_found(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError, match="manifest"):
        Bundle.load(tmp_path / "nowhere")
    (bundle / "config.json").unlink()
    with pytest.raises(BundleNotFoundError, match="config"):
        Bundle.load(bundle)


def test_a_changed_file_is_refused(bundle: Path) -> None:
    model = bundle / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\0")
    refuse(bundle, "sha256")
    model.write_bytes(model.read_bytes() + b"\0")
    refuse(bundle, "bytes")


@pytest.mark.parametrize("name", built_in_bundles())
def test_built_in_bundles_say_how_their_network_is_built(name: str) -> None:
    bundle = Bundle.load(built_in_bundles()[name])
    assert bundle.model is not None
    assert {"pooling", "streaming", "encoder_config"} <= set(bundle.model)
    assert not set(bundle.model) & {"architecture", "emotion_labels", "sample_rate", "dimensions"}


def test_how_a_network_is_built_is_a_table(bundle: Path) -> None:
    edit(bundle, lambda manifest: manifest.update(model="compact"))
    refuse(bundle, "'model'")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_an_unknown_format_is_refused(bundle: Path, version: object) -> None:
    edit(bundle, lambda manifest: manifest.update(format=version))
    refuse(bundle, "format")


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret", "", "a\0b"]
)
def test_a_path_out_of_the_folder_is_refused(bundle: Path, name: str) -> None:
    (bundle.parent / "secret").write_bytes(b"x")
    entry = {"sha256": "0" * 64, "bytes": 1}
    edit(bundle, lambda manifest: manifest["files"].update({name: entry}))
    refuse(bundle, "folder")


@pytest.mark.parametrize("name", ["\ud800", "x" * 5_000])
def test_a_name_that_no_disk_takes_is_refused(bundle: Path, name: str) -> None:
    edit(bundle, lambda m: m["files"].update({name: {"sha256": "0" * 64, "bytes": 1}}))
    refuse(bundle, "name")


def test_a_symlink_is_refused(bundle: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    shutil.move(bundle / "model.onnx", target)
    (bundle / "model.onnx").symlink_to(target)
    refuse(bundle, "folder")


@pytest.mark.parametrize("key", REQUIRED)
def test_every_key_is_required_and_typed(bundle: Path, key: str) -> None:
    edit(bundle, lambda manifest: manifest.update({key: None}))
    refuse(bundle, key)
    edit(bundle, lambda manifest: manifest.pop(key))
    refuse(bundle, key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sample_rate", 0),
        ("sample_rate", 999),
        ("sample_rate", 10**12),
        ("window_s", 1e9),
        ("hop_s", 0),
        ("min_window_s", float("nan")),
        ("window_s", -3.0),
        ("hop_s", True),
        ("hop_s", 3.5),
        ("min_window_s", 3.5),
        ("labels", [{"id": 0, "en": "Joy", "ko": "기쁨"}]),
        ("labels", [{"id": i, "en": "Joy", "ko": "기쁨"} for i in range(2)]),
        ("labels", ["Joy", "Sad"]),
        ("labels", [{"id": i, "en": f"{i}\x1b[2J", "ko": "기쁨"} for i in range(2)]),
        ("name", "good\x1b]0;owned\x07"),
        ("name", "two\nlines"),
        ("version", "\u202e1"),
        ("files", {}),
        ("files", {"model.onnx": {}}),
    ],
)
def test_bad_values_are_refused(bundle: Path, key: str, value: object) -> None:
    edit(bundle, lambda manifest: manifest.update({key: value}))
    refuse(bundle, "invalid")


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", "[" * 200_000])
def test_a_manifest_that_is_no_object_is_refused(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(BundleInvalidError):
        Bundle.load(bundle)


def test_writing_replaces_a_bundle_and_leaves_no_trace(tmp_path: Path) -> None:
    folder = testing.tiny_bundle(tmp_path / "model")
    testing.tiny_bundle(folder, version="2.0")
    assert Bundle.load(folder).version == "2.0"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_write_leaves_the_old_bundle(tmp_path: Path) -> None:
    folder = testing.tiny_bundle(tmp_path / "model")
    with pytest.raises(BundleInvalidError):
        testing.tiny_bundle(folder, sample_rate=-1)
    with pytest.raises(OutputError):
        write_bundle(folder, {"model.onnx": tmp_path / "nowhere.onnx"}, MANIFEST)
    with pytest.raises(BundleInvalidError):
        write_bundle(folder, {"../model.onnx": b""}, MANIFEST)
    assert Bundle.load(folder).version == "1.0"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="bundle"):
        testing.tiny_bundle(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


REUSE = {
    "frontend": "model.onnx",
    "encoder": "config.json",
    "receptive_field": 400,
    "stride": 320,
    "channels": 512,
}


def test_the_pair_of_graphs_is_found(bundle: Path) -> None:
    assert Bundle.load(bundle).feature_reuse is None
    edit(bundle, lambda manifest: manifest.update(feature_reuse=REUSE))
    reuse = Bundle.load(bundle).feature_reuse
    assert reuse is not None
    assert (reuse.frontend, reuse.encoder) == (bundle / "model.onnx", bundle / "config.json")
    assert (reuse.receptive_field, reuse.stride, reuse.channels) == (400, 320, 512)
    edit(bundle, lambda manifest: manifest.update(feature_reuse=None))
    assert Bundle.load(bundle).feature_reuse is None


@pytest.mark.parametrize(
    "change",
    [
        {"frontend": "../model.onnx"},
        {"encoder": 7},
        {"stride": 0},
        {"receptive_field": True},
        {"channels": 1.5},
    ],
)
def test_a_pair_with_bad_values_is_refused(bundle: Path, change: dict[str, object]) -> None:
    edit(bundle, lambda manifest: manifest.update(feature_reuse=REUSE | change))
    refuse(bundle, next(iter(change)))
    edit(bundle, lambda manifest: manifest.update(feature_reuse="yes"))
    refuse(bundle, "yes")


@pytest.mark.parametrize("name", built_in_bundles())
def test_a_manifest_that_is_read_and_written_keeps_its_bytes(name: str, tmp_path: Path) -> None:
    folder = built_in_bundles()[name]
    copy = Path(shutil.copytree(folder, tmp_path / name))
    (copy / "manifest.json").unlink()
    Manifest.read(folder).write(copy)
    assert (copy / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()


def test_find_bundle_takes_a_folder_or_a_built_in_name(bundle: Path) -> None:
    assert find_bundle(bundle) == bundle
    for name, folder in built_in_bundles().items():
        assert find_bundle(name) == folder
    with pytest.raises(BundleNotFoundError, match="no-such-model"):
        find_bundle("no-such-model")


def test_a_folder_without_a_model_hides_no_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("compact").mkdir()
    assert find_bundle("compact") == built_in_bundles()["compact"]
    shutil.copytree(bundle, "base")
    assert find_bundle("base") == Path("base")
