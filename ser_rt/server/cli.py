"""``ser-serve``: serves many streams over one model, by WebSocket and HTTP."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from ser_rt.checks import add_flags, from_flags, require, within
from ser_rt.cli.arguments import Parser
from ser_rt.cli.config_file import flags_of_environment, flags_of_file
from ser_rt.cli.idle import given_in, refuse_idle
from ser_rt.cli.process import run_command
from ser_rt.errors import ConfigError, OutputError, requires
from ser_rt.runtime.backends.providers import PROVIDERS
from ser_rt.runtime.flags import add_embedding_flag, add_model_flags
from ser_rt.server.defaults import add_default_flags, default_profile
from ser_rt.server.limits import ServerLimits
from ser_rt.server.logs import FORMATS, set_up_logging

if TYPE_CHECKING:
    from ser_rt.server.transport import Server

logger = logging.getLogger("ser_rt.server")

PORT = 8765
ENVIRONMENT = "SER_SERVE_"
_NOT_OUTSIDE = {"help", "version", "print_completion"}
OWN_PROXIES = ("127.0.0.1", "::1")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")
LEVELS = ("debug", "info", "warning", "error")
_EPILOG = """\
example:
  ser-serve
  ser-stream --mic --server ws://127.0.0.1:8765/v1/stream

The page is at http://127.0.0.1:8765/. On SIGTERM, SIGHUP or Ctrl-C streams get their last results,
and the exit code is 0; 1 if model, device or network failed; 2 for a wrong command line.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``ser-serve``."""
    parser = Parser(
        prog="ser-serve",
        description="Recognize emotion in many streams at once, over WebSocket and HTTP.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    group = parser.add_argument_group("the model")
    add_model_flags(group)
    add_embedding_flag(group, "the embedding to each result and turn, for all clients")
    add = group.add_argument
    add("--workers", type=int, metavar="N", help="calls at once (1; small models: one a CPU core)")
    add("--max-batch", type=int, metavar="N", help="windows of one call (1 on a CPU, else 16)")
    add(
        "--max-wait-ms",
        type=float,
        metavar="MS",
        default=5.0,
        help="how long a window waits for others to share a call with (%(default)s)",
    )
    _add_network(parser)
    add_default_flags(parser)
    add_flags(parser.add_argument_group("limits").add_argument, ServerLimits)
    add = parser.add_argument_group("other").add_argument
    add(
        "--config",
        metavar="FILE",
        help=f"TOML file of flags, such as port = 8000; also as variables: {ENVIRONMENT}PORT=8000",
    )
    add(
        "--log-format",
        choices=FORMATS,
        default="text",
        help="json: an object a line, with session and request ids (%(default)s)",
    )
    add("--traces", action="store_true", help="traces by OTLP, as OTEL_... variables describe")
    add("--access-log", action="store_true", help="log each request, without its query")
    add("--log-level", choices=LEVELS, default="info", help="(%(default)s)")
    return parser


def _add_network(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("the network").add_argument
    add("--host", default="127.0.0.1", help="address to listen at (%(default)s: this machine only)")
    add("--port", type=int, default=PORT, metavar="N", help="(%(default)s; 0 for any free one)")
    add("--api-key-file", metavar="FILE", help="keys of which a client needs one, one a line")
    add("--metrics-key-file", metavar="FILE", help="keys of /metrics, instead of those")
    add("--tls-cert", metavar="FILE", help="certificate chain: serve https and wss")
    add("--tls-key", metavar="FILE", help="its private key")
    add(
        "--cors-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="another site whose pages may connect, such as https://app.example; repeatable",
    )
    add(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host name of the server; repeatable (at a loopback address its own names, "
        "else any)",
    )
    add("--insecure", action="store_true", help="listen beyond this machine without keys")
    add(
        "--proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a reverse proxy, or a network of them, whose X-Forwarded-Proto and X-Forwarded-For "
        "are believed; repeatable (this machine's)",
    )
    add("--root-path", default="", metavar="/PATH", help="path prefix that a proxy strips")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ser-serve``; return 0, 1 (failed) or 2 (usage)."""
    return run_command("ser-serve", lambda: _serve(parse(argv)))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the flags of a command line, over those of the environment, over a file's.

    Raises:
        ConfigError: One of them does nothing, or file or environment are unfit.
    """
    parser = make_parser()
    argv = list(sys.argv[1:] if argv is None else argv)
    flags = parser.parse_args(argv)
    outside = flags_of_environment(parser, os.environ, ENVIRONMENT, _NOT_OUTSIDE)
    path = parser.parse_args([*outside, *argv]).config
    if path is not None:
        outside = [*flags_of_file(parser, Path(path), {*_NOT_OUTSIDE, "config"}), *outside]
    flags = parser.parse_args([*outside, *argv])
    batch = PROVIDERS[flags.provider].batch(flags.max_batch)
    alone = "does nothing where a call has one window: give --max-batch, too"
    waits = batch > 1 or flags.provider == "auto"
    refuse_idle(given_in(parser, [*outside, *argv]), [(waits, "max_wait_ms", alone)])
    return flags


def _serve(flags: argparse.Namespace) -> int:
    import asyncio

    set_up_logging(flags.log_level, flags.log_format)
    server = build(flags)
    try:
        asyncio.run(server.serve())
    except SystemExit as stop:  # uvicorn exits so when it cannot bind the port
        msg = f"cannot listen at {flags.host} port {flags.port}; is something else there?"
        raise OutputError(msg) from stop
    if server.service.failure is not None:
        raise server.service.failure
    return 0


def build(flags: argparse.Namespace) -> Server:
    """Return the server that flags describe, model loaded.

    Raises:
        SerError: It cannot be as described.
    """
    limits = from_flags(ServerLimits, flags)
    _check(flags)
    with requires("ser-serve", "server"):
        from ser_rt.runtime.stream import load
        from ser_rt.server.app import make_app
        from ser_rt.server.auth import Guard, read_keys
        from ser_rt.server.service import Service
        from ser_rt.server.tracing import make_tracing
        from ser_rt.server.transport import make_server
    is_local = is_loopback(flags.host)
    keys = read_keys(Path(flags.api_key_file)) if flags.api_key_file else []
    if keys and not is_local and not flags.tls_cert:
        logger.warning("keys go over the network unencrypted: --tls-cert, or a proxy with TLS")
    service = Service(
        load(
            flags.model,
            flags.provider,
            flags.threads,
            streaming=flags.streaming,
            profile=default_profile(flags),
            embedding=flags.embedding,
        ),
        limits,
        max_batch=flags.max_batch,
        max_wait_s=flags.max_wait_ms / 1e3,
        workers=flags.workers,
        tracing=make_tracing() if flags.traces else None,
    )
    is_open = not is_local and not flags.allowed_host
    hosts = ("*",) if is_open else (*LOOPBACK_NAMES, flags.host, *flags.allowed_host)
    guard = Guard(keys, flags.cors_origin)
    metrics_guard = None
    if flags.metrics_key_file:
        metrics_guard = Guard(read_keys(Path(flags.metrics_key_file)), flags.cors_origin)
    app = make_app(
        service,
        guard,
        hosts=hosts,
        metrics_guard=metrics_guard,
        access_log=flags.access_log,
    )
    server = make_server(
        app,
        service,
        host=flags.host,
        port=flags.port,
        forwarded_allow_ips=flags.proxy or list(OWN_PROXIES),
        root_path=flags.root_path.rstrip("/"),
        ssl_certfile=flags.tls_cert,
        ssl_keyfile=flags.tls_key,
    )

    def reload() -> None:
        for guarded, name in ((guard, "api_key_file"), (metrics_guard, "metrics_key_file")):
            path = getattr(flags, name)
            if guarded is None or not path:
                continue
            try:
                guarded.change(read_keys(Path(path)))
                logger.info("the keys of %s are read again", path)
            except ConfigError as error:
                logger.error("the keys stay as they were: %s", error)  # noqa: TRY400 (a user's)

    if flags.api_key_file or flags.metrics_key_file:
        server.reload = reload
    return server


def _check(flags: argparse.Namespace) -> None:
    """Refuse flags that contradict each other, or are out of range."""
    if flags.insecure and (flags.api_key_file or is_loopback(flags.host)):
        logger.warning("--insecure does nothing: %s", flags.api_key_file or flags.host)
    if not is_loopback(flags.host) and not flags.api_key_file and not flags.insecure:
        msg = f"--host {flags.host} is open to others: give --api-key-file, or --insecure"
        raise ConfigError(msg)
    if bool(flags.tls_cert) != bool(flags.tls_key):
        msg = "--tls-cert and --tls-key go together"
        raise ConfigError(msg)
    if flags.tls_cert:
        _check_certificate(flags.tls_cert, flags.tls_key)
    require("--port", flags.port, within(0, 65_535))
    _check_addresses(flags)


def _check_addresses(flags: argparse.Namespace) -> None:
    """Refuse origins, names, proxies and roots that are none."""
    for origin in flags.cors_origin:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\sA-Z]+", origin):
            msg = f"--cors-origin must be as https://app.example, not {origin!r}"
            raise ConfigError(msg)
    for address in flags.proxy:
        try:
            ip_network(address, strict=False)
        except ValueError as error:
            msg = f"--proxy must be an address or a network such as 10.0.0.0/8, not {address!r}"
            raise ConfigError(msg) from error
    if not re.fullmatch(r"(/[\w.~-]+)*/?", flags.root_path, re.ASCII):
        msg = f"--root-path must be as /path, not {flags.root_path!r}"
        raise ConfigError(msg)
    for name in flags.allowed_host:
        if name != "*" and "*" in name.removeprefix("*."):
            msg = f"--allowed-host must be as app.example or *.app.example, not {name!r}"
            raise ConfigError(msg)


def _check_certificate(cert: str, key: str) -> None:
    import ssl

    for path in (cert, key):
        if not Path(path).is_file():
            msg = f"no file {path}"
            raise ConfigError(msg)
    try:
        # OpenSSL would prompt for a pass phrase at a terminal that a server may not have.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key, password="")
    except OSError as error:
        msg = f"--tls-cert {cert} and --tls-key {key} are no certificate and its key: {error}"
        raise ConfigError(msg) from error


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server at an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
