"""What a bundle's `manifest.json` must say, and whether its files are what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ser_rt.errors import BundleInvalidError, BundleNotFoundError
from ser_rt.files.hashing import sha256_of

FORMAT = 1
"""Version of the manifest that this code writes and reads."""

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"

TYPES: dict[str, type | tuple[type, ...]] = {
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
"""The keys that every manifest has."""

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
class FeatureReuse:
    """The graph cut in two, for features that are computed once and shared by windows.

    Frame k of the features covers the samples from ``stride * k`` up to, and without,
    ``stride * k + receptive_field``.
    """

    frontend: Path
    """Graph from waveforms `input_values` to `features` ``[batch, frames, channels]``."""
    encoder: Path
    """Graph from `features` to what the whole graph gives."""
    receptive_field: int
    stride: int
    channels: int


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check the manifest in a bundle's folder, and not the files that it names.

    Raises:
        BundleNotFoundError: there is none.
        BundleInvalidError: it is no manifest, or a key is missing or has a bad value.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        msg = f"no model bundle in {folder}: it has no {MANIFEST_FILE}"
        raise BundleNotFoundError(msg) from error
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} cannot be read as JSON ({error}); export the bundle again"
        raise BundleInvalidError(msg) from error
    if not isinstance(manifest, dict):
        raise _invalid(folder, "its manifest is not a JSON object")
    _check_keys(folder, manifest)
    return manifest


def read_labels(folder: Path, manifest: Mapping[str, Any]) -> tuple[Label, ...]:
    """Return a manifest's labels.

    Raises:
        BundleInvalidError: they are not two or more distinct names with ids from 0 in order.
    """
    try:
        labels = tuple(Label(int(e["id"]), str(e["en"]), str(e["ko"])) for e in manifest["labels"])
    except (TypeError, KeyError, ValueError) as error:
        raise _invalid(folder, "each label needs id, en and ko") from error
    names = {label.en for label in labels}
    if [x.id for x in labels] != list(range(len(labels))) or not 1 < len(labels) == len(names):
        raise _invalid(folder, "labels must be two or more distinct names with ids from 0 in order")
    return labels


def read_feature_reuse(folder: Path, manifest: Mapping[str, Any]) -> FeatureReuse | None:
    """Return how a manifest's model reuses features; None if it cannot.

    Raises:
        BundleInvalidError: a graph is not among the bundle's files, or a number is not positive.
    """
    entry = manifest.get("feature_reuse")
    if entry is None:
        return None
    if not isinstance(entry, dict):
        raise _invalid(folder, f"'feature_reuse' in its manifest is {entry!r}")
    for key in ("frontend", "encoder"):
        name = entry.get(key)
        if not isinstance(name, str) or name not in manifest["files"]:
            raise _invalid(folder, f"{key!r} of its feature_reuse is {name!r}, no file of it")
    for key in ("receptive_field", "stride", "channels"):
        number = entry.get(key)
        if type(number) is not int or number < 1:
            raise _invalid(folder, f"{key!r} of its feature_reuse is {number!r}, not 1 or more")
    return FeatureReuse(
        frontend=folder / entry["frontend"],
        encoder=folder / entry["encoder"],
        receptive_field=entry["receptive_field"],
        stride=entry["stride"],
        channels=entry["channels"],
    )


def verify_files(folder: Path, files: Mapping[str, Any]) -> None:
    """Compare files with a manifest's entries: that they are there, inside, and unchanged.

    Raises:
        BundleNotFoundError: one is missing.
        BundleInvalidError: one is another file, or lies outside the folder.
    """
    for name, entry in files.items():
        _verify_file(folder, name, entry)


def describe_file(path: Path) -> dict[str, Any]:
    """Return a manifest's entry of a file."""
    return {"sha256": sha256_of(path), "bytes": path.stat().st_size}


def path_inside(folder: Path, name: str) -> Path:
    """Return ``folder/name`` if no part of the name or of the disk leads out of the folder.

    Raises:
        BundleInvalidError: it does lead out.
    """
    parts = PurePosixPath(name).parts
    unsafe = bool(set("\\:\0") & set(name)) or name.startswith("/") or ".." in parts or not parts
    path = folder.joinpath(*parts)
    if unsafe or path.resolve() != folder.resolve().joinpath(*parts):
        raise _invalid(folder, f"file name {name!r} leads out of the folder", "do not use it")
    return path


def _check_keys(folder: Path, manifest: dict[str, Any]) -> None:
    if manifest.get("format") != FORMAT:
        raise _invalid(
            folder,
            f"format {manifest.get('format')!r} is unknown, this ser-rt reads {FORMAT}",
            "install the ser-rt that wrote it, or export it again",
        )
    for key, expected in TYPES.items():
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


def _verify_file(folder: Path, name: str, entry: object) -> None:
    try:
        path = path_inside(folder, name)
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
    if sha256_of(path) != entry["sha256"]:
        raise _invalid(folder, f"{name} is not the file its manifest names (sha256 differs)")


def _invalid(folder: Path, what: str, do: str = "copy or export it again") -> BundleInvalidError:
    return BundleInvalidError(f"bundle {folder} is invalid: {what}; {do}")
