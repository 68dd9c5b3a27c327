"""What a cluster is told, as ``key=value``, in a Serve config or in Python; light and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, Self

from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.providers import PROVIDERS
from ser_rt.server.limits import ServerLimits


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What is served.

    Attributes:
        model: Folder of a bundle, at the same path on every machine, or name of a built-in one.
        provider: Where it runs.
        threads: Of one call; None for the cores that a replica has.
    """

    model: str | None = None
    provider: str = "cpu"
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is not there."""
        if self.provider not in PROVIDERS:
            msg = f"no provider {self.provider!r}; there are {', '.join(PROVIDERS)}"
            raise ConfigError(msg)
        _at_least(1, threads=self.threads)


@dataclass(frozen=True, slots=True)
class Batching:
    """How windows share calls of the model: the ``user_config`` of its deployment.

    Attributes:
        max_batch: Windows of one call; None for 1 on a CPU, where more gain nothing, else 16.
        max_wait_ms: How long a window waits for others, where a call may have several.
    """

    max_batch: int | None = None
    max_wait_ms: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        _at_least(1, max_batch=self.max_batch)
        _at_least(0, max_wait_ms=self.max_wait_ms)


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many replicas there are, and what each takes.

    Attributes:
        min_listeners: Replicas that hold streams, at least.
        max_listeners: And at most.
        streams_per_listener: Streams of a listener at which another one starts; None for 0.7 of
            ``max_streams``.
        listener_cpus: Cores that a listener reserves.
        min_models: Replicas of the model, at least.
        max_models: And at most.
        windows_per_model: Windows that a model hears or keeps waiting at which another one starts;
            None for twice a batch.
        model_cpus: Cores that a model reserves.
        model_gpus: GPUs that a model reserves; None for 1 where the provider needs one.
        health_check_s: How often Serve asks a listener whether it is well. One that is not
            asked for three times as long, while Serve stops listeners, ends its streams.
    """

    min_listeners: int = 1
    max_listeners: int = 4
    streams_per_listener: float | None = None
    listener_cpus: float = 1.0
    min_models: int = 1
    max_models: int = 4
    windows_per_model: float | None = None
    model_cpus: float = 1.0
    model_gpus: float | None = None
    health_check_s: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        _at_least(1, min_listeners=self.min_listeners, min_models=self.min_models)
        _at_least(self.min_listeners, max_listeners=self.max_listeners)
        _at_least(self.min_models, max_models=self.max_models)
        _at_least(0, listener_cpus=self.listener_cpus, model_cpus=self.model_cpus)
        _at_least(0, model_gpus=self.model_gpus)
        _at_least(0.1, health_check_s=self.health_check_s)
        _at_least(0.1, streams_per_listener=self.streams_per_listener)
        _at_least(0.1, windows_per_model=self.windows_per_model)


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """How listeners listen.

    Attributes:
        colocated: Whether each listener runs the model itself, and there are no others.
        api_key_file: Keys of which a client needs one, one a line, on every machine.
        cors_origins: Other sites whose pages may ask.
        allowed_hosts: Names that the cluster is asked by; ``*`` for any.
        max_unheard_bytes: Of one stream that may wait to be heard.
    """

    colocated: bool = False
    api_key_file: str | None = None
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ("*",)
    max_unheard_bytes: int = 32 << 20

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        _at_least(1, max_unheard_bytes=self.max_unheard_bytes)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """All that a cluster is told."""

    model: ModelSettings
    batching: Batching
    scaling: Scaling
    listening: ReplicaSettings
    limits: ServerLimits

    @classmethod
    def of(cls, arguments: Mapping[str, object]) -> Self:
        """Read arguments; text is read as what it stands for, as ``serve run`` gives it.

        Raises:
            ConfigError: There is no such argument, or a value is not what it must be.
        """
        known = known_arguments()
        for name in arguments:
            if name not in known:
                msg = f"no argument {name!r}; there are {', '.join(known)}"
                raise ConfigError(msg)
        values = {name: _read(known[name], value) for name, value in arguments.items()}
        return cls(
            *(
                group(**{f.name: values[f.name] for f in fields(group) if f.name in values})
                for group in GROUPS
            )
        )

    @property
    def model_gpus(self) -> float:
        """GPUs that a replica of the model reserves."""
        if self.scaling.model_gpus is not None:
            return self.scaling.model_gpus
        return 1.0 if PROVIDERS[self.model.provider].device == "gpu" else 0.0


GROUPS: tuple[type[Any], ...] = (ModelSettings, Batching, Scaling, ReplicaSettings, ServerLimits)
_OF_A_SOCKET = "send_buffer_bytes"
"""A limit that only who has the socket can keep; in a cluster that is Ray's proxy."""


def known_arguments() -> dict[str, Field[Any]]:
    """Return the arguments by name, in the order of `GROUPS`."""
    every = {field.name: field for group in GROUPS for field in fields(group)}
    del every[_OF_A_SOCKET]
    return every


def _read(field: Field[Any], value: object) -> object:
    kind = str(field.type)
    if value is None and kind.endswith(" | None"):
        return None
    what, read = _READERS[kind.removesuffix(" | None")]
    try:
        return read(value)
    except (TypeError, ValueError, KeyError):
        msg = f"{field.name} must be {what}, not {value!r}"
        raise ConfigError(msg) from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        raise TypeError
    return float(value)


def _whole(value: object) -> int:
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(number)


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}[_text(value).lower()]


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, list | tuple):
        raise TypeError
    return tuple(_text(part) for part in value)


_READERS: dict[str, tuple[str, Callable[[object], object]]] = {
    "str": ("text", _text),
    "float": ("a number", _number),
    "int": ("a whole number", _whole),
    "bool": ("true or false", _switch),
    "tuple[str, ...]": ("names, or names with commas between them", _names),
}


def _at_least(least: float, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not least <= value < float("inf"):
            msg = f"{name} must be {least:g} or more, not {value!r}"
            raise ConfigError(msg)
