"""Settings of ``config`` as texts: query parameters, fields of forms, parameters of calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ser_rt.checks import whole_number
from ser_rt.server.protocol import SETTINGS, schema

OF_UPLOADS = ("detail", "timeout_s")
"""Settings of the answer to an upload, as ``upload`` in the schema has them."""

QUERY = (*(name for name in SETTINGS if name != "name"), "top_k", "channel", "track")
"""Settings that can be given as texts."""


def settings_of(given: Iterable[tuple[str, str]], definition: str = "config") -> dict[str, Any]:
    """Return settings with the types that a definition of the schema gives them.

    What is no such value stays text.

    Raises:
        KeyError: There is no such setting.
    """
    types = schema()["$defs"][definition]["properties"]
    kinds = {name: types[name].get("type", "string") for name, _ in given if name in types}
    return {
        name: _value(text, kinds[name] if isinstance(kinds[name], str) else kinds[name][0])
        for name, text in given
    }


def _value(text: str, kind: str) -> object:
    if kind == "array":
        return text.split(",")
    if kind == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if kind == "string":
        return text
    try:
        return whole_number(text) if kind == "integer" else float(text)
    except ValueError:
        return text
