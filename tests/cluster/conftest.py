"""Ray Serve on this machine, as small as it gets, with the tiny model; and clients of it."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.server.conftest import Address, connected  # noqa: F401 (the fixture, of `running`)

KEY = "a-key-of-more-than-16"
SMALL: dict[str, Any] = {
    "min_listeners": 2,
    "max_listeners": 2,
    "max_models": 1,
    "listener_cpus": 0.1,
    "model_cpus": 0.1,
    "health_check_s": 0.5,
}


@dataclass
class Cluster(Address):
    """Ray Serve, and what to ask it."""

    port: int
    bundle: Path

    def deploy(self, name: str = "ser", route: str = "/", **arguments: Any) -> None:
        """Deploy an application, and wait until it answers."""
        from ray import serve

        from ser_rt.cluster import app

        args = {"model": str(self.bundle), **SMALL, **arguments}
        if args.get("colocated"):  # there are no replicas of the model then
            args = {key: args[key] for key in args if key not in ("max_models", "model_cpus")}
        serve.run(app(args), name=name, route_prefix=route)

    def replicas(self, deployment: str, name: str = "ser") -> list[psutil.Process]:
        """Return the processes of a deployment."""
        title = f"ray::ServeReplica:{name}:{deployment}"
        mine = psutil.Process().children(recursive=True)
        return [process for process in mine if _title(process).startswith(title)]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def cluster(tiny_bundle: Path) -> Iterator[Cluster]:
    """One for the tests of a module: it shall not run beside the tests of other things."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'ser-rt[cluster]'")
    serve = pytest.importorskip("ray.serve", reason="needs Ray: pip install 'ser-rt[cluster]'")
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Several begin at once, perhaps beside other programs: Serve would kill a proxy after 5 s.
    os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")
    os.environ.setdefault("RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S", "60")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level="ERROR",
        _system_config={"metrics_report_interval_ms": 500},
    )
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        running = Cluster(port, tiny_bundle)
        running.deploy()
        yield running
    finally:
        serve.shutdown()  # its threads would start Ray again
        ray.shutdown()


@pytest.fixture
def running(cluster: Cluster) -> Cluster:
    """What the server's own tests ask for."""
    return cluster
