"""`Manifest`, the contents of a bundle's `manifest.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from ser_rt.constants import DIMENSIONS
from ser_rt.errors import BundleInvalidError, BundleNotFoundError
from ser_rt.files.listed import describe_file, refuse
from ser_rt.files.text import trouble_of_line
from ser_rt.profiles import Profile, read_profiles, read_temperature, read_temperatures
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
        model: further settings of the network, with which it is built again to learn on; None
            for bundles of older versions.
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
        profiles: settings of streams by name.
        temperature_by_speech: divisor of a stream's logits by the seconds of speech in the window.
        turn_temperature: divisor of the logits of a whole turn; None for 1.
        dimensions: what the graph also rates, such as ``arousal``, each from 0 to 1.
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
    model: Mapping[str, Any] | None = None
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
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    temperature_by_speech: Mapping[float, float] = field(default_factory=dict)
    turn_temperature: float | None = None
    dimensions: tuple[str, ...] = ()
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
        known |= _read_settings(folder, entries)
        known["dimensions"] = _read_dimensions(folder, entries)
        if not isinstance(known.get("model", {}), dict):
            refuse(folder, f"'model' in its manifest is {known['model']!r}, no table")
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
        entries["profiles"] = {name: one.to_dict() for name, one in self.profiles.items()}
        for key in _OPTIONAL_TABLES:
            if not entries[key]:
                del entries[key]
        return {"format": FORMAT} | entries


_JSON_TYPES: dict[Any, type | tuple[type, ...]] = {
    int: int,
    str: str,
    float: (int, float),
    tuple[Label, ...]: list,
    Mapping[str, Any]: dict,
}
_OPTIONAL_TABLES = ("profiles", "temperature_by_speech", "dimensions")
_REQUIRED = {
    key.name: _JSON_TYPES[get_type_hints(Manifest)[key.name]]
    for key in fields(Manifest)
    if key.default is MISSING and key.name not in _OPTIONAL_TABLES
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
        refuse(folder, "its manifest is not a JSON object")
    return manifest


def _read_labels(folder: Path, entries: Sequence[Any]) -> tuple[Label, ...]:
    try:
        labels = tuple(Label(int(e["id"]), str(e["en"]), str(e["ko"])) for e in entries)
    except (TypeError, KeyError, ValueError):
        refuse(folder, "each label needs id, en and ko")
    _check_lines(folder, {f"labels {label.id}": label.en for label in labels})
    _check_lines(folder, {f"labels {label.id}": label.ko for label in labels})
    names = {label.en for label in labels}
    if [x.id for x in labels] != list(range(len(labels))) or not 1 < len(labels) == len(names):
        refuse(folder, "labels must be two or more distinct names with ids from 0 in order")
    return labels


def _read_feature_reuse(folder: Path, manifest: Mapping[str, Any]) -> FeatureReuse | None:
    """Return the two parts of the graph, which must be among the bundle's files."""
    entry = manifest.get("feature_reuse")
    if entry is None:
        return None
    if not isinstance(entry, dict):
        refuse(folder, f"'feature_reuse' in its manifest is {entry!r}")
    for key in ("frontend", "encoder"):
        name = entry.get(key)
        if not isinstance(name, str) or name not in manifest["files"]:
            refuse(folder, f"{key!r} of its feature_reuse is {name!r}, no file of it")
    numbers: dict[str, Any] = {
        key: entry.get(key) for key in ("receptive_field", "stride", "channels")
    }
    for key, number in numbers.items():
        if type(number) is not int or number < 1:
            refuse(folder, f"{key!r} of its feature_reuse is {number!r}, not 1 or more")
    return FeatureReuse(folder / entry["frontend"], folder / entry["encoder"], **numbers)


def _read_streaming(folder: Path, manifest: Mapping[str, Any]) -> Streaming | None:
    entry = manifest.get("streaming")
    try:
        return None if entry is None else Streaming.from_dict(entry, folder, manifest["files"])
    except (TypeError, ValueError) as error:
        refuse(folder, f"in its manifest {error}")


def _read_settings(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {
            "profiles": read_profiles(manifest.get("profiles", {})),
            "temperature_by_speech": read_temperatures(manifest.get("temperature_by_speech", {})),
            "turn_temperature": read_temperature(manifest.get("turn_temperature")),
        }
    except ValueError as error:
        refuse(folder, f"in its manifest {error}")


def _read_dimensions(folder: Path, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    names = manifest.get("dimensions", [])
    if not isinstance(names, list) or not set(map(str, names)) == set(names) <= set(DIMENSIONS):
        refuse(folder, f"'dimensions' in its manifest is {names!r}, not some of {DIMENSIONS}")
    return tuple(names)


def _check_lines(folder: Path, texts: Mapping[str, Any]) -> None:
    """Refuse texts that no terminal should show."""
    for key, text in texts.items():
        if text is not None and (trouble := trouble_of_line(text)):
            refuse(folder, f"{key!r} in its manifest {trouble}")


def _check_keys(folder: Path, manifest: dict[str, Any]) -> None:
    if manifest.get("format") != FORMAT:
        refuse(
            folder,
            f"format {manifest.get('format')!r} is unknown, this ser-rt reads {FORMAT}",
            "install the ser-rt that wrote it, or export it again",
        )
    for key, expected in _REQUIRED.items():
        if key not in manifest:
            refuse(folder, f"its manifest has no {key!r}")
        if not isinstance(manifest[key], expected) or isinstance(manifest[key], bool):
            refuse(folder, f"{key!r} in its manifest is {manifest[key]!r}")
    for key, (least, most) in _RANGES.items():
        if not least <= manifest[key] <= most:
            what = f"{key!r} in its manifest is {manifest[key]!r}"
            refuse(folder, f"{what}, not within {least:g} and {most:g}")
    _check_lines(folder, {key: manifest.get(key) for key in ("name", "version", "notice")})
    if max(manifest["hop_s"], manifest["min_window_s"]) > manifest["window_s"]:
        refuse(folder, "its hop_s or min_window_s is longer than its window_s")
    if MODEL_FILE not in manifest["files"]:
        refuse(folder, f"its manifest does not list {MODEL_FILE}")
