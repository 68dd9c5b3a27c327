"""A model bundle: the folder that export writes and the runtime reads.

A bundle named ``compact``:

    compact/
      manifest.json          the model's description, and the sha256 and size of every other file
      model.onnx             waveforms in, probabilities out
      config.json ...        further files of the export
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ser_rt.errors import (
    BundleInvalidError,
    BundleNotFoundError,
    ConfigError,
    OutputError,
    SerError,
)
from ser_rt.files.hashing import sha256_of
from ser_rt.files.listed import path_inside, verify_files
from ser_rt.files.names import printable
from ser_rt.files.writing import replacing_folder, write_text
from ser_rt.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from ser_rt.profiles import UNNAMED, Profile, profile_of
from ser_rt.streaming import Streaming

DEFAULT_BUNDLE = "base"
POSITION_S = 0.02
"""Seconds of audio for each position of a Whisper encoder."""
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Bundle(Manifest):
    """A verified bundle: its folder holds every file of the manifest, with size and hash."""

    folder: Path

    @property
    def model_path(self) -> Path:
        """The ONNX graph."""
        return self.folder / MODEL_FILE

    @property
    def sha256(self) -> str:
        """The sha256 of the manifest, which holds that of every other file."""
        return sha256_of(self.folder / MANIFEST_FILE)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The JSON object in `manifest.json`; its keys are attributes of the bundle, too."""
        return self.to_dict()

    @property
    def max_window_s(self) -> float | None:
        """The longest window that the network has positions for; None where any will do."""
        network = self.model or {}
        positions = network.get("encoder_config", {}).get("max_source_positions")
        return None if network.get("streaming") or positions is None else positions * POSITION_S

    def streaming_if(self, wanted: bool | None) -> Streaming | None:  # noqa: FBT001 (a tristate)
        """Describe the graph with caches: required, never, or where it is there and fits a stream.

        Raises:
            ConfigError: It is wanted, and there is none.
        """
        if wanted and self.streaming is None:
            msg = f"{self.name} has no graph with caches: leave streaming out, or off"
            raise ConfigError(msg)
        if wanted is False or self.streaming is None:
            return None
        return replace(self.streaming, is_required=bool(wanted))

    def with_profile(self, profile: str | Profile | None) -> Self:
        """Return the bundle with a profile, or one of its own, as the default; None is as it is.

        Raises:
            ConfigError: It has no such profile.
        """
        if profile is None:
            return self
        default = profile_of(self, profile) if isinstance(profile, str) else profile
        return replace(self, profiles={**self.profiles, UNNAMED: default})

    @classmethod
    def load(cls, path: str | Path) -> Bundle:
        """Read and verify the bundle in folder ``path``.

        Raises:
            BundleNotFoundError: There is no bundle, or one of its files is missing.
            BundleInvalidError: The format is unknown, a key is missing or of the wrong type, a
                file differs from the manifest, or a listed file lies outside the folder.
        """
        folder = Path(path)
        if trouble := _trouble_of_name(folder):
            raise BundleInvalidError(trouble)
        manifest = Manifest.read(folder)
        verify_files(folder, manifest.files)
        return cls(folder=folder, **vars(manifest))


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
    is_built_in = str(model) in built_in
    # A folder of that name that holds something else hides no model.
    if Path(model).is_dir() and not (is_built_in and not (Path(model) / MANIFEST_FILE).exists()):
        return Path(model)
    if is_built_in:
        return built_in[str(model)]
    known = ", ".join(built_in) or "none"
    msg = f"no model bundle {str(model)!r}: give a folder, or a built-in name ({known})"
    raise BundleNotFoundError(msg)


def sample_path() -> Path:
    """Return the path of the bundled half-minute of synthetic speech."""
    return _HERE / "samples" / "demo.flac"


def write_bundle(folder: str | Path, files: Mapping[str, bytes | Path], manifest: Manifest) -> Path:
    """Write a bundle so that ``folder`` is either complete and verified, or untouched.

    Args:
        folder: Where to write; a bundle that is already there is replaced.
        files: Content, or the file to copy, by name inside the folder.
        manifest: Description of the model; its ``files`` are filled in.

    Raises:
        BundleInvalidError: The new bundle does not load.
        OutputError: ``folder`` holds something that is not a bundle, or cannot be written.
    """
    with new_bundle(folder) as fresh:
        for name, content in files.items():
            path = path_inside(fresh, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, path)
            else:
                path.write_bytes(content)
        manifest.write(fresh)
    return Path(folder)


def write_profile(
    folder: str | Path, name: str, profile: Profile, temperatures: Mapping[float, float]
) -> None:
    """Store a profile in a bundle's manifest, in the place of one of the same name.

    ``temperatures`` are its `temperature_by_speech`, with which the profile was found.

    Raises:
        BundleError: There is no bundle, or it is invalid.
        OutputError: Its manifest cannot be written.
    """
    bundle = Bundle.load(folder)
    path = bundle.folder / MANIFEST_FILE
    manifest = json.loads(path.read_bytes())
    stored = {key: one.to_dict() for key, one in bundle.profiles.items()}
    manifest["profiles"] = stored | {name: profile.to_dict()}
    manifest["temperature_by_speech"] = {f"{key:g}": one for key, one in temperatures.items()}
    write_text(path, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")


def _trouble_of_name(folder: Path) -> str | None:
    if os.name == "nt" or str(folder).encode("utf-8", "replace") == os.fsencode(folder):
        return None
    return f"bundle {printable(folder)} has a name that is not UTF-8, which ONNX needs: rename it"


@contextmanager
def new_bundle(folder: str | Path) -> Iterator[Path]:
    """Yield an empty folder for a bundle and its manifest; it replaces ``folder`` at the end.

    An exception inside leaves ``folder`` as it was.

    Raises:
        BundleInvalidError: The new bundle does not load.
        OutputError: ``folder`` holds something that is not a bundle, or cannot be written.
    """
    folder = Path(folder)
    if trouble := _trouble_of_name(folder):
        raise OutputError(trouble)
    try:
        if folder.exists() and not (folder / MANIFEST_FILE).is_file() and _is_occupied(folder):
            msg = f"{folder} holds files that are no bundle; choose another folder"
            raise OutputError(msg)
        with replacing_folder(folder) as fresh:
            yield fresh
            Bundle.load(fresh)
    except OSError as error:
        if isinstance(error, SerError):
            raise
        msg = f"bundle {folder} cannot be written: {error}"
        raise OutputError(msg) from error


def _is_occupied(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())
