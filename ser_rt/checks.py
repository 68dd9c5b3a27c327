"""Checks of values, and settings as dataclasses: ranges, flags, ``key=value``, dicts."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import Field, field, fields
from numbers import Integral, Real
from types import NoneType
from typing import Any, Literal, TypeGuard, TypeVar, get_args, get_origin, get_type_hints

from ser_rt.errors import ConfigError

T = TypeVar("T")
Check = tuple[Callable[[Any], bool], str]
"""A condition, and its words after "must be"."""

_INFINITY = float("inf")


def whole(value: object) -> int | None:
    """Return a whole number as an `int`, be it an `int`, of numpy, or a float; None for all else.

    Libraries of sound cards, JSON and numpy give rates and counts as floats. True is no number.

    >>> whole(44100.0), whole(44100.5), whole(True), whole("44100")
    (44100, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = int(value) if isinstance(value, Integral) else int(float(value))
    except (OverflowError, ValueError):  # infinity, NaN
        return None
    return number if number == value else None


def whole_number(text: str) -> int:
    """Read a whole number of a command line or a query: ``44100``, or ``44100.0`` as it may come.

    Raises:
        ValueError: it is none.
    """
    try:
        return int(text)
    except ValueError:
        number = whole(float(text))
    if number is None:
        msg = f"{text!r} is no whole number"
        raise ValueError(msg)
    return number


def at_least(least: float) -> Check:
    """Return the check of a finite number that may not be below another."""
    return lambda value: _is_number(value) and least <= value < _INFINITY, f"{least:g} or more"


def above(bound: float) -> Check:
    """Return the check of a finite number that must be above another."""
    return lambda value: _is_number(value) and bound < value < _INFINITY, f"above {bound:g}"


def within(least: float, most: float) -> Check:
    """Return the check of a number between two others, or equal to one of them."""
    words = f"within {least:g} and {most:g}"
    return lambda value: _is_number(value) and least <= value <= most, words


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)


def one_of(choices: Iterable[str]) -> Check:
    """Return the check of a name."""
    names = tuple(choices)
    return lambda value: value in names, f"one of {', '.join(names)}"


def require(name: str, value: object, check: Check) -> None:
    """Raise a `ConfigError` unless a value passes a check; None, a value left out, does.

    >>> require("hop_s", 0.0, above(0))
    Traceback (most recent call last):
    ser_rt.errors.ConfigError: hop_s must be above 0, not 0.0
    """
    is_fine, words = check
    if value is not None and not is_fine(value):
        msg = f"{name} must be {words}, not {value!r}"
        raise ConfigError(msg)


def setting(default: Any, help_: str, check: Check | None = None) -> Any:
    """Return a dataclass field with a help text and a check."""
    metadata = {"help": help_, "check": check}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def check_settings(settings: Any) -> None:
    """Raise a `ConfigError` for the first field whose value fails its check; for __post_init__."""
    for each in fields(settings):
        if each.metadata.get("check"):
            require(each.name, getattr(settings, each.name), each.metadata["check"])


class Checked:
    """Base of settings whose values are checked when they are made."""

    __slots__ = ()

    def __post_init__(self) -> None:
        check_settings(self)


def typed(name: str, hint: Any, value: object) -> object:
    """Return a value as the type hint of a field demands: 4.0 is an int, 4 a float, "4" neither.

    Raises:
        ConfigError: It has another type.
    """
    kind, is_optional = _kind(hint)
    if value is None and is_optional:
        return None
    words, _, read = _KINDS[kind]
    found = read(value)
    if found is None:
        msg = f"{name} must be {words}, not {value!r}"
        raise ConfigError(msg)
    return found


def parsed(name: str, hint: Any, value: object) -> object:
    """Return a value as `typed` does, and text, as of a command line, as what it stands for.

    >>> parsed("threads", int | None, "2"), parsed("hosts", tuple[str, ...], "a, b")
    (2, ('a', 'b'))

    Raises:
        ConfigError: It is no value of this type.
    """
    if not isinstance(value, str):
        return typed(name, hint, value)
    words, parse, _ = _KINDS[_kind(hint)[0]]
    try:
        return parse(value)
    except (ValueError, KeyError):
        msg = f"{name} must be {words}, not {value!r}"
        raise ConfigError(msg) from None


def from_mapping(cls: type[T], values: Mapping[str, object]) -> T:
    """Return settings with the values of a mapping, as `parsed` reads them.

    Raises:
        ConfigError: There is no such setting, or a value is unfit.
    """
    hints = get_type_hints(cls)
    for name in values:
        if name not in hints:
            msg = f"no setting {name!r}; there are {', '.join(hints)}"
            raise ConfigError(msg)
    return cls(**{name: parsed(name, hints[name], value) for name, value in values.items()})


def add_flags(
    add: Callable[..., object],
    cls: Any,
    *,
    leave_out: Collection[str] = (),
    only: Collection[str] | None = None,
    with_defaults: bool = True,
) -> None:
    """Add a flag for each setting; without defaults, a flag that is not given is None.

    Args:
        add: ``add_argument`` of a parser or a group.
        cls: A dataclass whose fields `setting` made.
        leave_out: Settings that are no flags.
        only: The settings that are; None for all others.
        with_defaults: Whether the flags have the defaults of the fields.
    """
    hints = get_type_hints(cls)
    for each in fields(cls):
        if each.name not in leave_out and (only is None or each.name in only):
            add(
                f"--{each.name.replace('_', '-')}",
                **_flag(each, hints[each.name], with_defaults=with_defaults),
            )


def from_flags(cls: type[T], flags: argparse.Namespace) -> T:
    """Return settings with the values of flags that `add_flags` added."""
    hints = get_type_hints(cls)
    return cls(**{name: typed(name, hint, getattr(flags, name)) for name, hint in hints.items()})


def _flag(each: Field[Any], hint: Any, *, with_defaults: bool) -> dict[str, Any]:
    kind, _ = _kind(hint)
    is_shown = with_defaults and kind is not bool and each.default not in {None, (), ""}
    shown = " (%(default)s)" if is_shown else ""
    how: dict[str, Any] = {"help": each.metadata["help"] + shown}
    how["default"] = each.default if with_defaults else None
    if kind is bool:
        return how | {"action": argparse.BooleanOptionalAction}
    if kind is tuple:
        return how | {"nargs": "+", "metavar": "NAME"}
    return how | {"type": kind, "metavar": "S" if each.name.endswith("_s") else _METAVARS[kind]}


def _kind(hint: Any) -> tuple[Any, bool]:
    """Return the class behind a type hint, and whether None is allowed; a Literal is of texts."""
    if get_origin(hint) is Literal:
        return str, False
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    if get_origin(hint) in (tuple, dict) or len(kinds) > 1:
        return get_origin(hint) or hint, False
    kind, _ = _kind(kinds[0]) if get_origin(kinds[0]) is Literal else (kinds[0], False)
    return get_origin(kind) or kind, NoneType in get_args(hint)


def _number(value: object) -> float | None:
    return float(value) if _is_number(value) else None


def _names(value: object) -> tuple[str, ...] | None:
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return tuple(value)
    return None


def _text(text: str) -> str:
    if not text:
        raise ValueError
    return text


def _table(text: str) -> dict[str, object]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError  # noqa: TRY004 (text of another kind)
    return found


_METAVARS = {int: "N", float: "X", str: "NAME"}
_KINDS: dict[Any, tuple[str, Callable[[str], object], Callable[[object], object]]] = {
    str: ("text", _text, lambda value: value if isinstance(value, str) else None),
    int: ("a whole number", whole_number, whole),
    float: ("a number", float, _number),
    bool: (
        "true or false",
        lambda text: {"true": True, "false": False}[text.lower()],
        lambda value: value if isinstance(value, bool) else None,
    ),
    tuple: (
        "names, or names with commas between them",
        lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
        _names,
    ),
    dict: ("a table", _table, lambda value: value if isinstance(value, dict) else None),
}
"""Of each type: its words, how text is parsed, and how other values are read (None if unfit)."""
