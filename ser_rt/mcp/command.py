"""``ser-mcp``: an MCP server with which agents classify recordings and summarise calls."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ser_rt.checks import require, within
from ser_rt.cli.arguments import Parser
from ser_rt.cli.help_text import HelpFormatter
from ser_rt.cli.process import run_command
from ser_rt.errors import ConfigError, OutputError, requires
from ser_rt.files.names import printable
from ser_rt.runtime.flags import add_model_flags

HOST = "127.0.0.1"
_EPILOG = """\
example, as a client's configuration has it:
  {"mcpServers": {"ser-rt": {"command": "ser-mcp", "args": ["--root", "/srv/calls"]}}}

Its tools are classify_recording and summarise_call. They read files below --root and nothing else,
and write nothing. The exit code is 0; 1 if model or network failed; 2 for a wrong command line.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``ser-mcp``."""
    parser = Parser(
        prog="ser-mcp",
        description="Give agents tools for recordings, over the Model Context Protocol (stdio).",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--root", type=Path, default=Path(), metavar="FOLDER", help="read files below it (here)")
    add("--port", type=int, metavar="N", help="serve http://127.0.0.1:N/mcp instead of stdio")
    add_model_flags(parser.add_argument_group("the model"))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ser-mcp``; return 0, 1 (failed) or 2 (usage)."""
    return run_command("ser-mcp", lambda: _serve(make_parser().parse_args(argv)))


def _serve(flags: argparse.Namespace) -> int:
    if not flags.root.is_dir():
        msg = f"--root {printable(flags.root)} is no folder"
        raise ConfigError(msg)
    if flags.port is not None:
        require("--port", flags.port, within(1, 65_535))
    with requires("ser-mcp", "mcp"):
        from ser_rt.mcp.recordings import Recordings
        from ser_rt.mcp.server import make_server
        from ser_rt.runtime.stream import load
    model = load(flags.model, flags.provider, flags.threads, streaming=flags.streaming)
    server = make_server(Recordings(flags.root, model))
    if flags.port is None:
        server.run("stdio")
        return 0
    try:
        server.run("streamable-http", host=HOST, port=flags.port)
    except SystemExit as stop:  # uvicorn exits so when it cannot bind the port
        msg = f"cannot listen at {HOST} port {flags.port}; is something else there?"
        raise OutputError(msg) from stop
    return 0
