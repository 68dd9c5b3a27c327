"""`Manifest`, the contents of a bundle's `manifest.json`, and the checks of the files it lists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn, get_type_hints

from ser_rt.errors import BundleInvalidError, BundleNotFoundError
from ser_rt.files.hashing import sha256_of
from ser_rt.files.text import trouble_of_line
from ser_rt.streaming import Streaming

FORMAT = 1
"""Version of the manifest that this code writes and reads."""

MODEL_FILE = "model.onnx"
STREAM_FILE = "stream.onnx"
MANIFEST_FILE = "manifest.json"

_HOUR_S = 3600
_RANGES = {
    "parameters": (1, 10**15),
    "sample_rate": (1_000, 384_000),
    "window_s": (1e-3, _HOUR_S),
    "hop_s": (1e-3, _HOUR_S),
    "min_window_s": (1e-3, _HOUR_S),
    "temperature": (1e-6, 1e6),
}
"""Smallest and largest sensible values: a stream's memory follows from some of them."""


@dataclass(frozen=True)
class Label:
    """One emotion: its number, and its name in English and Korean."""

    id: int
    en: str
    ko: str


@dataclass(frozen=True)
class FeatureReuse:
    """The graph split in two, for features that are computed once and shared by windows.

    Frame k of the features covers the samples from ``stride * k`` up to, and without,
    ``stride * k + receptive_field``.
    """

    frontend: Path
    """Graph from waveforms `input_values` to `features` ``[batch, frames, channels]``."""
    encoder: Path
    """Graph from `features` to the outputs of the whole graph."""
    receptive_field: int
    stride: int
    channels: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Description of a model: its labels, windows and origin, and the hashes of its files.

    The fields are the keys of `manifest.json`, in their order there.

    Attributes:
        temperature: divisor of the logits, already in the graph.
        training: what the weights were trained on and how, from the checkpoint.
        licence: of the weights, and the corpora to attribute.
        notice: what users should be told, in a sentence or two; user interfaces show it.
        layers: transformer layers kept of how many, where some were left out.
        warnings: what the exporter warned of.
        form: variant of the precision that passed the gates.
        window_s: default length of a window.
        hop_s: default distance between the starts of two windows.
        min_window_s: shortest window that gives a first, partial result.
        feature_reuse: the two parts of the graph, named as the files beside `manifest.json`; None
            if windows cannot share features.
        streaming: the graph with caches; None if the network classifies windows alone.
        gates: measured differences between graph and network, and their limits.
        evaluation: scores on labelled speech, from ser-evaluate.
        tools: versions of the libraries that made the bundle.
        files: size and SHA-256 of every other file, by name; `write` fills them in.
    """

    name: str
    version: str
    architecture: str
    parameters: int
    labels: tuple[Label, ...]
    sample_rate: int
    input_normalization: str
    temperature: float
    training: Mapping[str, Any]
    licence: Mapping[str, Any]
    notice: str | None = None
    layers: Mapping[str, Any] | None = None
    warnings: Sequence[str] | None = None
    precision: str
    form: str | None = None
    opset: int | None = None
    window_s: float
    hop_s: float
    min_window_s: float
    feature_reuse: FeatureReuse | None = None
    streaming: Streaming | None = None
    gates: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    tools: Mapping[str, Any]
    files: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def read(folder: Path) -> Manifest:
        """Read and check the manifest in a bundle's folder, but not the files that it lists.

        Raises:
            BundleNotFoundError: there is none.
            BundleInvalidError: it is no manifest, or a key is missing or has a bad value.
        """
        entries = _read_json(folder)
        _check_keys(folder, entries)
        known = {key.name: entries[key.name] for key in fields(Manifest) if key.name in entries}
        known["labels"] = _read_labels(folder, entries["labels"])
        known["feature_reuse"] = _read_feature_reuse(folder, entries)
        known["streaming"] = _read_streaming(folder, entries)
        return Manifest(**known)

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into a folder that already holds all other files."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): describe_file(path) for path in paths}
        text = json.dumps(self.to_dict() | {"files": files}, ensure_ascii=False, indent=2)
        (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest's JSON object, without the optional keys that have no value."""
        values = {key.name: getattr(self, key.name) for key in fields(Manifest)}
        entries = {k: v for k, v in values.items() if v is not None or k == "feature_reuse"}
        entries["labels"] = [asdict(label) for label in self.labels]
        if reuse := self.feature_reuse:
            names = {"frontend": reuse.frontend.name, "encoder": reuse.encoder.name}
            entries["feature_reuse"] = asdict(reuse) | names
        if self.streaming:
            entries["streaming"] = self.streaming.to_dict()
        return {"format": FORMAT} | entries


_JSON_TYPES: dict[Any, type | tuple[type, ...]] = {
    int: int,
    str: str,
    float: (int, float),
    tuple[Label, ...]: list,
    Mapping[str, Any]: dict,
}
_REQUIRED = {
    key.name: _JSON_TYPES[get_type_hints(Manifest)[key.name]]
    for key in fields(Manifest)
    if key.default is MISSING
}
"""The keys that every manifest has, besides `format`."""


def _read_json(folder: Path) -> dict[str, Any]:
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
        _refuse(folder, "its manifest is not a JSON object")
    return manifest


def _read_labels(folder: Path, entries: Sequence[Any]) -> tuple[Label, ...]:
    """Return the labels: two or more distinct names with ids from 0 in order."""
    try:
        labels = tuple(Label(int(e["id"]), str(e["en"]), str(e["ko"])) for e in entries)
    except (TypeError, KeyError, ValueError):
        _refuse(folder, "each label needs id, en and ko")
    names = {label.en for label in labels}
    if [x.id for x in labels] != list(range(len(labels))) or not 1 < len(labels) == len(names):
        _refuse(folder, "labels must be two or more distinct names with ids from 0 in order")
    return labels


def _read_feature_reuse(folder: Path, manifest: Mapping[str, Any]) -> FeatureReuse | None:
    """Return the two parts of the graph, which must be among the bundle's files."""
    entry = manifest.get("feature_reuse")
    if entry is None:
        return None
    if not isinstance(entry, dict):
        _refuse(folder, f"'feature_reuse' in its manifest is {entry!r}")
    for key in ("frontend", "encoder"):
        name = entry.get(key)
        if not isinstance(name, str) or name not in manifest["files"]:
            _refuse(folder, f"{key!r} of its feature_reuse is {name!r}, no file of it")
    numbers = {key: entry.get(key) for key in ("receptive_field", "stride", "channels")}
    for key, number in numbers.items():
        if type(number) is not int or number < 1:
            _refuse(folder, f"{key!r} of its feature_reuse is {number!r}, not 1 or more")
    return FeatureReuse(folder / entry["frontend"], folder / entry["encoder"], **numbers)


def _read_streaming(folder: Path, manifest: Mapping[str, Any]) -> Streaming | None:
    entry = manifest.get("streaming")
    try:
        return None if entry is None else Streaming.from_dict(entry, folder, manifest["files"])
    except (TypeError, ValueError) as error:
        _refuse(folder, f"in its manifest {error}")


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
        _refuse(folder, f"file name {name!r} leads out of the folder", "do not use it")
    return path


def _check_keys(folder: Path, manifest: dict[str, Any]) -> None:
    if manifest.get("format") != FORMAT:
        _refuse(
            folder,
            f"format {manifest.get('format')!r} is unknown, this ser-rt reads {FORMAT}",
            "install the ser-rt that wrote it, or export it again",
        )
    for key, expected in _REQUIRED.items():
        if key not in manifest:
            _refuse(folder, f"its manifest has no {key!r}")
        if not isinstance(manifest[key], expected) or isinstance(manifest[key], bool):
            _refuse(folder, f"{key!r} in its manifest is {manifest[key]!r}")
    for key, (least, most) in _RANGES.items():
        if not least <= manifest[key] <= most:
            what = f"{key!r} in its manifest is {manifest[key]!r}"
            _refuse(folder, f"{what}, not within {least:g} and {most:g}")
    notice = manifest.get("notice")
    if notice is not None and (trouble := trouble_of_line(notice)):
        _refuse(folder, f"'notice' in its manifest {trouble}")
    if max(manifest["hop_s"], manifest["min_window_s"]) > manifest["window_s"]:
        _refuse(folder, "its hop_s or min_window_s is longer than its window_s")
    if MODEL_FILE not in manifest["files"]:
        _refuse(folder, f"its manifest does not list {MODEL_FILE}")


def _verify_file(folder: Path, name: str, entry: object) -> None:
    try:
        path = path_inside(folder, name)
        is_file = path.is_file()
    except BundleInvalidError:
        raise
    except (OSError, ValueError):
        _refuse(folder, f"no file can have the name {name[:80]!r}")
    if not isinstance(entry, dict) or not {"sha256", "bytes"} <= entry.keys():
        _refuse(folder, f"its manifest gives no sha256 and bytes of {name}")
    if not is_file:
        msg = f"bundle {folder} lacks its file {name}; copy or export it again"
        raise BundleNotFoundError(msg)
    if path.stat().st_size != entry["bytes"]:
        _refuse(folder, f"{name} has {path.stat().st_size} bytes, not {entry['bytes']}")
    if sha256_of(path) != entry["sha256"]:
        _refuse(folder, f"{name} is not the file its manifest names (sha256 differs)")


def _refuse(folder: Path, what: str, do: str = "copy or export it again") -> NoReturn:
    msg = f"bundle {folder} is invalid: {what}; {do}"
    raise BundleInvalidError(msg)
