"""A connection to a Ray cluster, or to a Ray that is started on this machine."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ser_rt.errors import ClusterError, ConfigError, requires

OBJECT_STORE_BYTES = 200_000_000
"""Shared memory of a Ray started here: paths, windows and rows, never whole recordings."""

ANSWER_S = 5.0
"""Time for a cluster's address to accept a connection."""

STATUS_S = 30.0
"""Time for the cluster behind it to report its status."""


@contextmanager
def ray_session(address: str | None = None, cores: int | None = None) -> Iterator[Any]:
    """Connect to a cluster and yield the module `ray`; an existing connection is used and kept.

    Args:
        address: ``HOST:PORT`` of the cluster's head, or ``auto``; None for that of RAY_ADDRESS,
            and without it for a Ray that is started on this machine.
        cores: How many cores a Ray started here has; None for all.

    Raises:
        ClusterError: No Ray answers at the address, or none starts here.
        ConfigError: The address is malformed.
        MissingDependencyError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with requires("Ray", "cluster"):
        import ray
    if ray.is_initialized():
        yield ray
        return
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = address or os.environ.get("RAY_ADDRESS")
    if address is None:
        settings |= {
            "address": "local",
            "include_dashboard": False,
            "num_cpus": cores,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
    else:
        probe(address)
        settings["address"] = address
    try:
        ray.init(**settings)
    except Exception as error:  # Ray raises that too, when a machine is too busy to start it
        ray.shutdown()
        where = "on this machine" if address is None else f"at {address}"
        msg = f"Ray does not come up {where}: {' '.join(str(error).split())[:300]}"
        raise ClusterError(msg) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def probe(address: str) -> None:
    """Raise an error for an address that is no Ray cluster: `ray.init` would wait for minutes.

    Raises:
        ClusterError: Nothing answers, or something else than a Ray of this version.
        ConfigError: It is not ``HOST:PORT`` or ``auto``.
    """
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            msg = f"--address must be HOST:PORT of the cluster's head, or auto, not {address}"
            raise ConfigError(msg)
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
        except (OSError, OverflowError) as error:
            msg = f"no Ray cluster answers at {address} ({error}); is it the head's address?"
            raise ClusterError(msg) from error
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=STATUS_S)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        msg = (
            f"what answers at {address} is no Ray cluster of this version ({type(error).__name__})"
        )
        raise ClusterError(msg) from error
