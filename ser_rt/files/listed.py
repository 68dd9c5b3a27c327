"""`verify_files`: the files of a bundle against what its manifest lists of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from ser_rt.errors import BundleInvalidError, BundleNotFoundError
from ser_rt.files.hashing import sha256_of


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
        refuse(folder, f"file name {name!r} leads out of the folder", "do not use it")
    return path


def refuse(folder: Path, what: str, do: str = "copy or export it again") -> NoReturn:
    """Raise `BundleInvalidError` for a bundle's folder: what is wrong, and what to do."""
    msg = f"bundle {folder} is invalid: {what}; {do}"
    raise BundleInvalidError(msg)


def _verify_file(folder: Path, name: str, entry: object) -> None:
    try:
        path = path_inside(folder, name)
        is_file = path.is_file()
    except BundleInvalidError:
        raise
    except (OSError, ValueError):
        refuse(folder, f"no file can have the name {name[:80]!r}")
    if not isinstance(entry, dict) or not {"sha256", "bytes"} <= entry.keys():
        refuse(folder, f"its manifest gives no sha256 and bytes of {name}")
    if not is_file:
        msg = f"bundle {folder} lacks its file {name}; copy or export it again"
        raise BundleNotFoundError(msg)
    if path.stat().st_size != entry["bytes"]:
        refuse(folder, f"{name} has {path.stat().st_size} bytes, not {entry['bytes']}")
    if sha256_of(path) != entry["sha256"]:
        refuse(folder, f"{name} is not the file its manifest names (sha256 differs)")
