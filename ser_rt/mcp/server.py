"""`make_server`: the MCP server of two tools over some `Recordings`, by the official SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

import ser_rt
from ser_rt.errors import SerError
from ser_rt.mcp.recordings import CallSummary, RecordingEmotion, Recordings

_CAUTION = "It is how voices sound, not what people feel: decide nothing about a person by it."
_CLASSIFY = f"""Return the emotion of a whole recording with its probabilities.

{_CAUTION} `path` is a file of audio or video, absolute or relative to the folder of recordings.
`emotion` is null where no speech was found.
"""
_SUMMARISE = f"""Summarise the emotions of a call: speakers, clearest moments, and turns in order.

{_CAUTION} `path` is as of classify_recording. `speakers` names its channels in order, if each is a
speaker's; without it they are numbered.
"""
_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

T = TypeVar("T")


def make_server(recordings: Recordings) -> MCPServer:
    """Return the server; a tool whose arguments are unfit answers with the reason."""
    server = MCPServer("ser-rt", version=ser_rt.__version__, log_level="WARNING")

    async def classify_recording(path: str) -> RecordingEmotion:
        return await _in_thread(partial(recordings.classify, path))

    async def summarise_call(path: str, speakers: list[str] | None = None) -> CallSummary:
        return await _in_thread(partial(recordings.summarise, path, speakers))

    server.add_tool(classify_recording, description=_CLASSIFY, annotations=_READS)
    server.add_tool(summarise_call, description=_SUMMARISE, annotations=_READS)
    return server


async def _in_thread(work: Callable[[], T]) -> T:
    """Run a tool beside the event loop.

    Raises:
        ToolError: As the tool raises a `SerError`; agents read it.
    """
    try:
        return await asyncio.to_thread(work)
    except SerError as error:
        raise ToolError(str(error)) from error
