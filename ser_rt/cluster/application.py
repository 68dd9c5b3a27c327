"""The Serve application: stream replicas in front, model replicas behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from ray.serve import Application, Deployment

from ser_rt.bundle import Bundle, find_bundle
from ser_rt.cluster.model import Model
from ser_rt.cluster.replica import WINDOWS_AT_ONCE, StreamReplica
from ser_rt.cluster.settings import ClusterSettings
from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.providers import PROVIDERS

REQUESTS_BESIDES = 16
"""Requests of a stream replica beyond its streams, such as those for its health."""

STREAMS_SHARE = 0.7
STARTS = 3
"""Failed starts of replicas after which the application counts as failed."""

WAIT_LOOP_S = 0.5
"""How often a replica that is to end checks whether its last request has ended."""

END_S = 30.0
"""Time for a replica to end, beyond the time for its streams."""


def app(args: Mapping[str, object]) -> Application:
    """Return the application of some arguments; see `ser_rt.cluster.settings`.

    Raises:
        BundleError: This machine has no such bundle.
        ConfigError: There is no such argument, or a value is out of range.
    """
    settings = ClusterSettings.of(args)
    bundle = Bundle.load(find_bundle(settings.model.model))
    streaming = bundle.streaming_if(settings.model.streaming)
    if settings.model.streaming and streaming and not settings.replicas.colocated:
        msg = (
            "streaming needs colocated=true: else the caches of a stream, "
            f"{streaming.bytes_per_stream} bytes, would travel with each hop"
        )
        raise ConfigError(msg)
    models = None if settings.replicas.colocated else model_replicas(settings)
    return stream_replicas(settings, models)


def stream_replicas(settings: ClusterSettings, models: Application | None) -> Application:
    """Return the deployment that holds streams."""
    scaling, limits = settings.scaling, settings.limits
    full = limits.max_streams
    threads = settings.model.threads or 1
    workers = max(1, int(scaling.listener_cpus // threads)) if models is None else WINDOWS_AT_ONCE
    gpus = settings.model_gpus if models is None else 0.0
    return (
        cast("Deployment", StreamReplica)
        .options(
            max_ongoing_requests=full + REQUESTS_BESIDES,
            autoscaling_config=_between(
                scaling.min_listeners,
                scaling.max_listeners,
                scaling.streams_per_listener or STREAMS_SHARE * full,
            ),
            ray_actor_options={"num_cpus": scaling.listener_cpus, "num_gpus": gpus},
            health_check_period_s=scaling.health_check_s,
            max_constructor_retry_count=STARTS,
            graceful_shutdown_wait_loop_s=WAIT_LOOP_S,
            graceful_shutdown_timeout_s=limits.drain_s + END_S,
        )
        .bind(settings.model, settings.replicas, limits, workers, models)
    )


def model_replicas(settings: ClusterSettings) -> Application:
    """Return the deployment that classifies windows."""
    scaling, batching = settings.scaling, settings.batching
    batch = PROVIDERS[settings.model.provider].batch(batching.max_batch)
    threads = settings.model.threads or max(1, int(scaling.model_cpus))
    return (
        cast("Deployment", Model)
        .options(
            max_ongoing_requests=4 * batch + 4,
            autoscaling_config=_between(
                scaling.min_models, scaling.max_models, scaling.windows_per_model or 2.0 * batch
            ),
            user_config=asdict(batching),
            ray_actor_options={"num_cpus": scaling.model_cpus, "num_gpus": settings.model_gpus},
            max_constructor_retry_count=STARTS,
            graceful_shutdown_wait_loop_s=WAIT_LOOP_S,
            graceful_shutdown_timeout_s=END_S,
        )
        .bind(settings.model, threads)
    )


def _between(least: int, most: int, target: float) -> dict[str, Any]:
    return {"min_replicas": least, "max_replicas": most, "target_ongoing_requests": target}
