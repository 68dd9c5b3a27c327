"""`Profile`: settings of a stream under a name in a bundle, as ``ser-tune`` finds them.

`Windows` and `Naming` are what the settings of a stream come to with a model and its profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ser_rt.checks import Checked, at_least, from_mapping, setting, within
from ser_rt.errors import ConfigError

DEFAULT_PROFILE = "default"
UNNAMED = ""
"""Where a model was loaded with a profile: that of streams that name none."""
"""The profile that streams have if none is named."""

FLAGS = {
    "window_s": "window",
    "hop_s": "hop",
    "half_life_s": "half-life",
    "weight_per_s": "weight",
    "neutral": "neutral",
    "enter": "enter",
    "leave": "leave",
    "hold_s": "hold",
    "unsure": "unsure",
    "gate_threshold": "gate-threshold",
}
"""The flag of ``ser-stream`` for each setting."""


@dataclass(frozen=True)
class Profile(Checked):
    """Settings of a stream; None is what it would be without a profile."""

    window_s: float | None = setting(None, "as of StreamSettings", within(0, 3600))
    hop_s: float | None = setting(None, "as of StreamSettings", within(0, 3600))
    half_life_s: float | None = setting(None, "as of StreamSettings", at_least(0))
    weight_per_s: float | None = setting(None, "as of StreamSettings", within(0, 100))
    neutral: float | None = setting(None, "as of StreamSettings", within(0.01, 0.99))
    enter: float | None = setting(None, "as of HysteresisSettings", within(0, 1))
    leave: float | None = setting(None, "as of HysteresisSettings", within(0, 1))
    hold_s: float | None = setting(None, "as of HysteresisSettings", at_least(0))
    unsure: float | None = setting(None, "as of HysteresisSettings", within(0, 1))
    gate_threshold: float | None = setting(None, "as of StreamSettings", within(0, 1))

    def to_dict(self) -> dict[str, float]:
        """Return the settings that there are."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def to_toml(self) -> str:
        """Return the settings as a file for ``ser-stream --config``."""
        return "".join(f"{FLAGS[name]} = {value:g}\n" for name, value in self.to_dict().items())


class Windows(NamedTuple):
    """Lengths in seconds, as of `StreamSettings`."""

    window_s: float
    hop_s: float
    min_window_s: float


class Naming(NamedTuple):
    """How results are named, as of `StreamSettings` and `HysteresisSettings`."""

    half_life_s: float
    weight_per_s: float
    neutral: float | None
    enter: float
    leave: float
    hold_s: float
    unsure: float
    gate_threshold: float


def read_profiles(entry: object) -> dict[str, Profile]:
    """Read the profiles of a manifest, by name.

    Raises:
        ValueError: it is no table of tables, or a setting is unknown or out of range.
    """
    if not isinstance(entry, Mapping):
        msg = f"'profiles' is {entry!r}, no table"
        raise ValueError(msg)  # noqa: TRY004 (of a manifest, all is a value)
    found = {}
    for name, settings in entry.items():
        if not isinstance(settings, Mapping) or any(isinstance(v, str) for v in settings.values()):
            msg = f"profile {name!r} is {settings!r}, no table of numbers"
            raise ValueError(msg)
        try:
            found[str(name)] = from_mapping(Profile, settings)
        except ConfigError as error:
            msg = f"profile {name!r}: {error}"
            raise ValueError(msg) from error
    return found


def read_temperatures(entry: object) -> dict[float, float]:
    """Read temperatures by seconds of speech, in rising order.

    Raises:
        ValueError: it is no such table.
    """
    try:
        pairs = {float(heard_s): float(value) for heard_s, value in entry.items()}  # type: ignore[attr-defined]  # caught
    except (AttributeError, TypeError, ValueError):
        pairs = {-1.0: 0.0}
    if any(heard_s < 0 or not 0.02 <= value <= 50 for heard_s, value in pairs.items()):
        msg = f"'temperature_by_speech' is {entry!r}, no table of seconds and temperatures"
        raise ValueError(msg)
    return dict(sorted(pairs.items()))


def read_temperature(entry: object) -> float | None:
    """Read the temperature of turns; None if there is none.

    Raises:
        ValueError: it is no temperature.
    """
    if entry is None or (type(entry) in {int, float} and 0.02 <= entry <= 50):  # type: ignore[operator]  # a number
        return entry  # type: ignore[return-value]  # a number, or None
    msg = f"'turn_temperature' is {entry!r}, not within 0.02 and 50"
    raise ValueError(msg)


def profile_of(model: Any, name: str | None = None) -> Profile:
    """Return a model's profile: the named one, or its default.

    Raises:
        ConfigError: It has no profile of this name.
    """
    profiles: Mapping[str, Profile] = getattr(model, "profiles", {})
    if name is None:
        return profiles.get(UNNAMED, profiles.get(DEFAULT_PROFILE, Profile()))
    if name not in profiles and name != DEFAULT_PROFILE:
        known = ", ".join(filter(None, profiles)) or "none"
        msg = f"no profile {name!r} in this model, it has {known}; ser-tune makes profiles"
        raise ConfigError(msg)
    return profiles.get(name, Profile())
