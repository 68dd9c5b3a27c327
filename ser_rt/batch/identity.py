"""`Identity`: model and settings stamped on every Parquet file; different ones are never mixed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

FORMAT = 1
"""Version of the columns."""


@dataclass(frozen=True)
class Identity:
    """Written into every Parquet file, under the key ``ser_rt`` of its schema.

    Attributes:
        model: Name of the bundle.
        version: Version of the bundle.
        model_sha256: Of the bundle.
        precision: Of the bundle.
        labels: Its emotions.
        settings: Settings of the streams, by the names of the flags, times in seconds.
        columns: Columns of tables of files, in the order of their names.
        format: Version of the columns.
    """

    model: str
    version: str
    model_sha256: str
    precision: str
    labels: tuple[str, ...]
    settings: Mapping[str, Any]
    columns: tuple[str, ...] = ()
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Return the identity as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False).encode("utf-8", "backslashreplace")

    @classmethod
    def from_json(cls, text: bytes) -> Self | None:
        """Return the identity of its JSON; None if that is of another format."""
        values = json.loads(text)
        if values.get("format") != FORMAT:
            return None
        values |= {key: tuple(values[key]) for key in ("labels", "columns")}
        return cls(**values)


def difference(found: Identity | None, wanted: Identity) -> str | None:
    """Return how a found identity differs from the wanted one, for a message; None if it does not.

    They are compared as JSON holds them, and columns in any order.
    """
    if found is None:
        return "another version of ser-rt"
    if found.model_sha256 != wanted.model_sha256:
        return (
            f"model {found.model} {found.version} ({found.model_sha256[:12]}), not "
            f"{wanted.model} {wanted.version} ({wanted.model_sha256[:12]})"
        )
    held, given = (json.loads(one.to_json()) for one in (found, wanted))
    for name in held["settings"] | given["settings"]:
        old, new = held["settings"].get(name), given["settings"].get(name)
        if old != new:
            return f"{name} = {old}, not {new}"
    if set(found.columns) != set(wanted.columns):
        names = (", ".join(one.columns) or "none" for one in (found, wanted))
        return "the manifest columns {}, not {}".format(*names)
    return None
