"""A model bundle: the folder that export writes and the runtime reads.

A bundle named ``compact``:

    compact/
      manifest.json          what the model is, and the sha256 and size of every other file
      model.onnx             waveforms in, probabilities out
      config.json ...        whatever else export adds
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from ser_rt.errors import BundleInvalidError, BundleNotFoundError, OutputError

FORMAT = 1
"""Version of the manifest that this code writes and reads."""

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
DEFAULT_BUNDLE = "compact"
_HERE = Path(__file__).resolve().parent

_TYPES: dict[str, type | tuple[type, ...]] = {
    "format": int,
    "name": str,
    "version": str,
    "architecture": str,
    "parameters": int,
    "labels": list,
    "sample_rate": int,
    "precision": str,
    "input_normalization": str,
    "window_s": (int, float),
    "hop_s": (int, float),
    "min_window_s": (int, float),
    "temperature": (int, float),
    "files": dict,
    "gates": dict,
    "evaluation": dict,
    "training": dict,
    "licence": dict,
    "tools": dict,
}
_HOUR_S = 3600
_RANGES = {
    "parameters": (1, 10**15),
    "sample_rate": (1_000, 384_000),
    "window_s": (1e-3, _HOUR_S),
    "hop_s": (1e-3, _HOUR_S),
    "min_window_s": (1e-3, _HOUR_S),
    "temperature": (1e-6, 1e6),
}
"""Least and most that makes sense: a stream's memory follows from some of them."""


@dataclass(frozen=True)
class Label:
    """One emotion: its number, and its name in English and Korean."""

    id: int
    en: str
    ko: str


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: every file is there and is what the manifest says."""

    folder: Path
    name: str
    version: str
    architecture: str
    parameters: int
    labels: tuple[Label, ...]
    sample_rate: int
    precision: str
    input_normalization: str
    window_s: float
    hop_s: float
    min_window_s: float
    temperature: float
    manifest: Mapping[str, Any]

    @property
    def model_path(self) -> Path:
        """The ONNX graph."""
        return self.folder / MODEL_FILE

    @classmethod
    def load(cls, path: str | Path) -> Bundle:
        """Read and verify the bundle in folder ``path``.

        Raises:
            BundleNotFoundError: There is no bundle, or one of its files is missing.
            BundleInvalidError: The format is unknown, a key is missing or of the wrong type, a
                file is not what the manifest says, or a listed file lies outside the folder.
        """
        folder = Path(path)
        manifest = _read_manifest(folder)
        for name, entry in manifest["files"].items():
            _verify_file(folder, name, entry)
        labels = _labels(folder, manifest["labels"])
        return cls(
            **{field.name: manifest[field.name] for field in fields(cls) if field.name in _TYPES}
            | {"folder": folder, "labels": labels, "manifest": manifest}
        )


def built_in_bundles() -> dict[str, Path]:
    """Return the bundles that come with ser-rt, by name."""
    return {path.parent.name: path.parent for path in sorted(_HERE.glob("bundles/*/manifest.json"))}


def find_bundle(model: str | Path | None = None) -> Path:
    """Return the folder of a bundle, given as a folder, as a built-in name, or not at all.

    Raises:
        BundleNotFoundError: It is neither a folder nor a built-in name.
    """
    built_in = built_in_bundles()
    if model is None:
        model = DEFAULT_BUNDLE
    elif Path(model).is_dir():
        return Path(model)
    if str(model) in built_in:
        return built_in[str(model)]
    known = ", ".join(built_in) or "none"
    msg = f"no model bundle {str(model)!r}: give a folder, or a built-in name ({known})"
    raise BundleNotFoundError(msg)


def sample_path() -> Path:
    """Return the path of the bundled half-minute of synthetic speech."""
    return _HERE / "samples" / "demo.flac"


def write_bundle(
    folder: str | Path, files: Mapping[str, bytes | Path], manifest: Mapping[str, Any]
) -> Path:
    """Write a bundle so that ``folder`` is either complete and verified, or untouched.

    Args:
        folder: Where to write; a bundle that is already there is replaced.
        files: Content, or the file to copy, by name inside the folder.
        manifest: Everything but ``format`` and ``files``, which are filled in.

    Raises:
        BundleInvalidError: The result would not load.
        OutputError: ``folder`` holds something that is no bundle, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / MANIFEST_FILE).is_file() and _is_occupied(folder):
        msg = f"{folder} holds files that are no bundle; choose another folder"
        raise OutputError(msg)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            fresh = Path(temporary) / "new"
            fresh.mkdir()
            entries = {name: _write_file(fresh, name, files[name]) for name in sorted(files)}
            text = json.dumps(
                {"format": FORMAT, **manifest, "files": entries}, ensure_ascii=False, indent=2
            )
            (fresh / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")
            Bundle.load(fresh)
            _replace(folder, fresh, Path(temporary) / "old")
    except OSError as error:
        if isinstance(error, BundleNotFoundError):
            raise
        msg = f"bundle {folder} cannot be written: {error}"
        raise OutputError(msg) from error
    return folder


def _replace(folder: Path, fresh: Path, old: Path) -> None:
    if folder.exists():
        folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        msg = f"no model bundle in {folder}: it has no {MANIFEST_FILE}"
        raise BundleNotFoundError(msg) from error
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} cannot be read as JSON ({error}); export the bundle again"
        raise BundleInvalidError(msg) from error
    if not isinstance(manifest, dict):
        raise _invalid(folder, "its manifest is not a JSON object")
    _check_manifest(folder, manifest)
    return manifest


def _check_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    if manifest.get("format") != FORMAT:
        raise _invalid(
            folder,
            f"format {manifest.get('format')!r} is unknown, this ser-rt reads {FORMAT}",
            "install the ser-rt that wrote it, or export it again",
        )
    for key, expected in _TYPES.items():
        if key not in manifest:
            raise _invalid(folder, f"its manifest has no {key!r}")
        if not isinstance(manifest[key], expected) or isinstance(manifest[key], bool):
            raise _invalid(folder, f"{key!r} in its manifest is {manifest[key]!r}")
    for key, (least, most) in _RANGES.items():
        if not least <= manifest[key] <= most:
            what = (
                f"{key!r} in its manifest is {manifest[key]!r}, not within {least:g} and {most:g}"
            )
            raise _invalid(folder, what)
    if max(manifest["hop_s"], manifest["min_window_s"]) > manifest["window_s"]:
        raise _invalid(folder, "its hop_s or min_window_s is longer than its window_s")
    if MODEL_FILE not in manifest["files"]:
        raise _invalid(folder, f"its manifest does not list {MODEL_FILE}")


def _labels(folder: Path, entries: list[Any]) -> tuple[Label, ...]:
    try:
        labels = tuple(Label(int(e["id"]), str(e["en"]), str(e["ko"])) for e in entries)
    except (TypeError, KeyError, ValueError) as error:
        raise _invalid(folder, "each label needs id, en and ko") from error
    names = {label.en for label in labels}
    if [x.id for x in labels] != list(range(len(labels))) or not 1 < len(labels) == len(names):
        raise _invalid(folder, "labels must be two or more distinct names with ids from 0 in order")
    return labels


def _verify_file(folder: Path, name: str, entry: object) -> None:
    try:
        path = _inside(folder, name)
        is_file = path.is_file()
    except BundleInvalidError:
        raise
    except (OSError, ValueError) as error:
        raise _invalid(folder, f"no file can have the name {name[:80]!r}") from error
    if not isinstance(entry, dict) or not {"sha256", "bytes"} <= entry.keys():
        raise _invalid(folder, f"its manifest gives no sha256 and bytes of {name}")
    if not is_file:
        msg = f"bundle {folder} lacks its file {name}; copy or export it again"
        raise BundleNotFoundError(msg)
    if path.stat().st_size != entry["bytes"]:
        raise _invalid(folder, f"{name} has {path.stat().st_size} bytes, not {entry['bytes']}")
    if _sha256(path) != entry["sha256"]:
        raise _invalid(folder, f"{name} is not the file its manifest names (sha256 differs)")


def _inside(folder: Path, name: str) -> Path:
    """Return ``folder/name`` if no part of the name or of the disk leads out of the folder."""
    parts = PurePosixPath(name).parts
    unsafe = bool(set("\\:\0") & set(name)) or name.startswith("/") or ".." in parts or not parts
    path = folder.joinpath(*parts)
    if unsafe or path.resolve() != folder.resolve().joinpath(*parts):
        raise _invalid(folder, f"file name {name!r} leads out of the folder", "do not use it")
    return path


def _write_file(folder: Path, name: str, content: bytes | Path) -> dict[str, Any]:
    path = _inside(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, path)
    else:
        path.write_bytes(content)
    return {"sha256": _sha256(path), "bytes": path.stat().st_size}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_occupied(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())


def _invalid(folder: Path, what: str, do: str = "copy or export it again") -> BundleInvalidError:
    return BundleInvalidError(f"bundle {folder} is invalid: {what}; {do}")
