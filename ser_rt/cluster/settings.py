"""Settings of a cluster, as ``key=value``, in a Serve config or in Python; light to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, Self

from ser_rt.checks import Checked, at_least, check_settings, from_mapping, one_of, require, setting
from ser_rt.cli.idle import refuse_idle
from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.providers import PROVIDERS, ProviderName
from ser_rt.server.limits import ServerLimits


@dataclass(frozen=True, slots=True)
class ModelSettings(Checked):
    """The model that is served."""

    model: str | None = setting(
        None, "folder of a bundle, at the same path on every machine, or a built-in name"
    )
    provider: ProviderName = setting(  # noqa: RUF009 (it makes a field, as for the others)
        "cpu", "execution provider of the model", one_of(PROVIDERS)
    )
    threads: int | None = setting(
        None, "threads of one model call; None for the cores of a replica", at_least(1)
    )

    streaming: bool | None = setting(
        None,
        "compute each hop once, with caches, or classify whole windows; None for what the bundle "
        "and the replicas can",
    )
    embedding: bool = setting(
        default=False, help_="add the embedding to each result and turn, for all clients"
    )


@dataclass(frozen=True, slots=True)
class Batching(Checked):
    """How windows share calls of the model: the ``user_config`` of its deployment."""

    max_batch: int | None = setting(
        None, "windows of one call; None for what suits the provider", at_least(1)
    )
    max_wait_ms: float = setting(5.0, "longest wait of a window for others to share", at_least(0))


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many replicas there are, and what each reserves.

    The settings have ``listener`` where the code has stream replica: a replica that holds streams.
    """

    min_listeners: int = setting(1, "stream replicas, at least", at_least(1))
    max_listeners: int = setting(4, "stream replicas, at most")
    streams_per_listener: float | None = setting(
        None,
        "streams of a stream replica at which another one starts; None for 0.7 of max_streams",
        at_least(0.1),
    )
    listener_cpus: float = setting(1.0, "cores that a stream replica reserves", at_least(0))
    min_models: int = setting(1, "model replicas, at least", at_least(1))
    max_models: int = setting(4, "model replicas, at most")
    windows_per_model: float | None = setting(
        None,
        "windows running or waiting at a model replica at which another one starts; None for "
        "twice a batch",
        at_least(0.1),
    )
    model_cpus: float = setting(1.0, "cores that a model replica reserves", at_least(0))
    model_gpus: float | None = setting(
        None, "GPUs that a model replica reserves; None for 1 on a GPU provider", at_least(0)
    )
    health_check_s: float = setting(
        2.0,
        "seconds between Serve's health checks of a stream replica; when three times as long has "
        "passed without one while Serve stops replicas, its streams are ended",
        at_least(0.1),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        require("max_listeners", self.max_listeners, at_least(self.min_listeners))
        require("max_models", self.max_models, at_least(self.min_models))


@dataclass(frozen=True, slots=True)
class ReplicaSettings(Checked):
    """Settings of a stream replica."""

    colocated: bool = setting(
        default=False, help_="run the model in the stream replicas, without others"
    )
    api_key_file: str | None = setting(
        None, "file of keys of which a client needs one, one a line, on every machine"
    )
    cors_origins: tuple[str, ...] = setting((), "other sites whose pages may connect")
    allowed_hosts: tuple[str, ...] = setting(
        ("*",), "host names under which clients may reach the cluster; * for any"
    )
    max_unheard_bytes: int = setting(
        32 << 20, "bytes of one stream that may wait to be processed", at_least(1)
    )


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """All settings of a cluster."""

    model: ModelSettings
    batching: Batching
    scaling: Scaling
    replicas: ReplicaSettings
    limits: ServerLimits

    @classmethod
    def of(cls, arguments: Mapping[str, object]) -> Self:
        """Read arguments; text is parsed, since ``serve run`` gives all values as text.

        Raises:
            ConfigError: There is no such argument, a value is unfit, or does nothing.
        """
        known = known_arguments()
        for name in arguments:
            if name not in known:
                msg = f"no argument {name!r}; there are {', '.join(known)}"
                raise ConfigError(msg)
        settings = cls(
            *(
                from_mapping(
                    group,
                    {f.name: arguments[f.name] for f in fields(group) if f.name in arguments},
                )
                for group in GROUPS
            )
        )
        given = {name for name, value in arguments.items() if value is not None}
        apart = not settings.replicas.colocated
        why = "is of model replicas, and with colocated=true there are none"
        refuse_idle(given, ((apart, name, why) for name in _OF_MODEL_REPLICAS), str)
        return settings

    @property
    def model_gpus(self) -> float:
        """GPUs that a replica of the model reserves."""
        if self.scaling.model_gpus is not None:
            return self.scaling.model_gpus
        return 1.0 if PROVIDERS[self.model.provider].device == "gpu" else 0.0


GROUPS: tuple[type[Any], ...] = (ModelSettings, Batching, Scaling, ReplicaSettings, ServerLimits)
_OF_MODEL_REPLICAS = (
    "max_batch",
    "max_wait_ms",
    "min_models",
    "max_models",
    "windows_per_model",
    "model_cpus",
)
_OF_A_SOCKET = "send_buffer_bytes"
"""A limit that only the owner of the socket can keep; in a cluster that is Ray's proxy."""


def known_arguments() -> dict[str, Field[Any]]:
    """Return the arguments by name, in the order of `GROUPS`."""
    every = {field.name: field for group in GROUPS for field in fields(group)}
    del every[_OF_A_SOCKET]
    return every
