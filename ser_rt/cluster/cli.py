"""``ser-cluster``: streams over the machines of a Ray cluster, or over a Ray started here."""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ser_rt.checks import require, within
from ser_rt.cli.arguments import Parser
from ser_rt.cli.process import run_command, tell
from ser_rt.cli.signals import terminable
from ser_rt.cluster.settings import ClusterSettings, known_arguments
from ser_rt.errors import ClusterError, ConfigError, requires

PORT = 8000
ANSWER_S = 10.0
"""Time for stream replicas to report that their streams have ended."""

_EPILOG = """\
examples:
  ser-cluster
  ser-cluster model=/bundles/mine provider=cuda max_models=4 --address 10.0.0.5:6379 --insecure
  ser-stream --mic --server ws://127.0.0.1:8000/v1/stream

Arguments are key=value, as for `serve run ser_rt.cluster:app`; docs/cluster.md explains them:
{arguments}

Without --address, and without RAY_ADDRESS, Ray is started on this machine and runs until Ctrl-C,
SIGTERM or SIGHUP; then streams get their last results. With one, the application is deployed there
and stays (`serve status`, `serve shutdown`). The exit code is 0; 1 if Ray, model or device failed;
2 for a wrong command line.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``ser-cluster``."""
    shown = [
        f"  {name}={'' if field.default in (None, ()) else field.default}"
        for name, field in known_arguments().items()
    ]
    parser = Parser(
        prog="ser-cluster",
        description="Recognize emotion in many streams at once, on many machines.",
        epilog=_EPILOG.format(arguments="\n".join(shown)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("arguments", nargs="*", metavar="key=value", help="settings; see below")
    add("--address", metavar="HOST:PORT", help="of a cluster's head, or auto (a Ray started here)")
    add("--name", default="ser", help="of the application (%(default)s)")
    add("--route", default="/", metavar="PATH", help="where it is served (%(default)s)")
    add("--host", default="127.0.0.1", help="address to listen at (%(default)s: this machine only)")
    add("--port", type=int, default=PORT, metavar="N", help="(%(default)s)")
    add("--insecure", action="store_true", help="listen beyond a machine without keys")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ser-cluster``; return 0, 1 (failed) or 2 (usage)."""
    return run_command("ser-cluster", lambda: _work(make_parser().parse_intermixed_args(argv)))


def _work(flags: argparse.Namespace) -> int:
    from ser_rt.server.cli import is_loopback

    arguments = _pairs(flags.arguments)
    settings = ClusterSettings.of(arguments)
    require("--port", flags.port, within(1, 65_535))
    if not flags.route.startswith("/"):
        msg = f"--route must begin with /, not {flags.route!r}"
        raise ConfigError(msg)
    keys = settings.replicas.api_key_file
    if not (is_loopback(flags.host) or keys or flags.insecure):
        msg = f"--host {flags.host} is open to others: give api_key_file=FILE, or --insecure"
        raise ConfigError(msg)
    with requires("ser-cluster", "cpu,cluster"):
        from ray import serve

        from ser_rt.cluster.application import app
        from ser_rt.cluster.ray_session import ray_session

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    application = app(arguments)
    is_own = (flags.address or os.environ.get("RAY_ADDRESS")) is None
    cores = max(os.cpu_count() or 1, round(_least_cpus(settings) + 0.5))
    with ray_session(flags.address, cores if is_own else None) as ray:
        if is_own and _least_gpus(settings) > ray.cluster_resources().get("GPU", 0):
            msg = f"this machine has not the {_least_gpus(settings):g} GPUs that this needs"
            raise ClusterError(msg)
        try:
            with terminable():  # Ray has handlers of its own
                _deploy(serve, application, flags)
                where = f"http://{flags.host}:{flags.port}{flags.route}"
                tell(f"ser-cluster: listening at {where}")
                while is_own:
                    time.sleep(60)
        except KeyboardInterrupt:
            if not is_own:  # the state of the application is not known
                raise
        finally:
            if is_own:
                _end(serve, flags.name, settings.limits.drain_s)
    return 0


def _pairs(words: Sequence[str]) -> dict[str, object]:
    pairs: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name in pairs:
            msg = f"{word!r} must be key=value" if not equals else f"{name} is given twice"
            raise ConfigError(msg)
        pairs[name] = value
    return pairs


def _least_cpus(settings: ClusterSettings) -> float:
    scaling = settings.scaling
    models = 0 if settings.replicas.colocated else scaling.min_models
    return scaling.min_listeners * scaling.listener_cpus + models * scaling.model_cpus


def _least_gpus(settings: ClusterSettings) -> float:
    scaling = settings.scaling
    replicas = scaling.min_listeners if settings.replicas.colocated else scaling.min_models
    return replicas * settings.model_gpus


def _deploy(serve: Any, application: Any, flags: argparse.Namespace) -> None:
    try:
        serve.start(http_options={"host": flags.host, "port": flags.port})
        serve.run(application, name=flags.name, route_prefix=flags.route)
    except Exception as error:  # Ray's own; that of the replica is in the status
        why = _why(serve, flags.name) or str(error).strip().rpartition("\n")[2]
        msg = f"the application does not come up: {why}"
        raise ClusterError(msg) from error


def _why(serve: Any, name: str) -> str:
    """Return the error of a replica, if it is one of ser-rt."""
    try:
        application = serve.status().applications.get(name)
    except Exception:  # noqa: BLE001 (Serve does not run; the error before this says why)
        return ""
    for deployment in () if application is None else application.deployments.values():
        for line in deployment.message.splitlines():
            if line.strip().startswith("ser_rt."):
                return str(line.partition(":")[2].strip())
    return ""


def _end(serve: Any, name: str, drain_s: float) -> None:
    """End the streams while models still run, for their last results; then the rest."""
    with suppress(Exception):  # it may not be running
        serve.get_app_handle(name).broadcast("drain").results(timeout_s=drain_s + ANSWER_S)
    with suppress(Exception):  # nor may Serve
        serve.delete(name)
