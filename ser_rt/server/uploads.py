"""``POST /v1/classify``: classifies an uploaded file as a stream of the same audio would be."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request

from ser_rt.audio.sources.file import FileSource
from ser_rt.errors import AudioError, ClusterError, ConfigError, InferenceError
from ser_rt.runtime.channels import make_engines
from ser_rt.runtime.engine import ChunkEngine
from ser_rt.server.bodies import HOW, is_of_curl, receive, stored
from ser_rt.server.protocol import (
    ProtocolError,
    StreamConfig,
    check,
    event_message,
)
from ser_rt.server.service import Service
from ser_rt.server.settings_text import QUERY, settings_of
from ser_rt.server.stream_state import Events
from ser_rt.server.tracing import Trace


async def classify(request: Request, service: Service) -> dict[str, Any]:
    """Return the results of the file of a request; the file is deleted afterwards.

    Raises:
        ProtocolError: The file or a setting is unfit, there is too much of it, this machine has no
            room for it, or its client left.
    """
    try:
        with service.trace("classify", request.headers) as trace:
            try:
                return await _classify(request, service, trace)
            except ProtocolError as error:
                trace.fail(error.code)
                raise
    except ClientDisconnect:
        msg = "the client left"
        raise ProtocolError(msg, "bad_request") from None
    except ProtocolError as error:
        if error.code == "bad_audio" and is_of_curl(request) and HOW not in str(error):
            msg = f"{error} (if it has lost bytes, as by curl -d: {HOW})"
            raise ProtocolError(msg, error.code) from error
        raise


async def _classify(request: Request, service: Service, trace: Trace) -> dict[str, Any]:
    query = [pair for pair in request.query_params.multi_items() if pair[0] != "token"]
    config = _config(query)
    with ExitStack() as opened:
        with stored():
            # The client's name for it chooses no path.
            folder = opened.enter_context(
                tempfile.TemporaryDirectory(prefix="ser-rt-", ignore_cleanup_errors=True)
            )
            path = Path(folder) / "upload"
            try:
                async with asyncio.timeout(service.limits.upload_timeout_s):
                    with path.open("w+b") as file:
                        fields = await receive(request, file, service.limits.max_upload_bytes)
            except TimeoutError:
                msg = f"an upload may take {service.limits.upload_timeout_s:g} s"
                raise ProtocolError(msg, "upload_too_slow") from None
        if fields:
            config = _config([*query, *fields])
        classifier = service.batcher.open()
        try:
            engine = make_engines(classifier, config.settings)
        except ConfigError as error:
            raise ProtocolError(str(error), "bad_request") from error
        source = FileSource(
            path, classifier.sample_rate, track=config.track, channel=config.settings.source_channel
        )
        events: Events = []
        try:
            pieces = _events(source, engine, service.limits.max_audio_s, trace)
            await _collect(pieces, events, request, service, trace)
        except AudioError as error:
            # The path is the server's own, and means nothing to the client.
            msg = str(error).replace(str(path), "the file")
            partial = _answer(events, engine, config, service) if engine.processed_s else None
            raise ProtocolError(msg, "bad_audio", partial=partial) from error
        except InferenceError as error:
            raise ProtocolError(str(error), "model_failed") from error
        except ClusterError as error:  # another replica may have what this one lacks
            raise ProtocolError(str(error), "not_ready") from error
    return _answer(events, engine, config, service)


def _answer(
    events: Events, engine: ChunkEngine, config: StreamConfig, service: Service
) -> dict[str, Any]:
    """Count a file, and return its results."""
    service.metrics.uploads.inc()
    service.metrics.audio.inc(engine.processed_s)
    bundle = service.model.bundle
    return {
        "model": {"name": bundle.name, "version": bundle.version},
        "provider": service.model.provider,
        "precision": bundle.precision,
        "duration_s": round(engine.processed_s, 6),
        "overall": engine.overall.to_dict(),
        "events": [event_message(event, config) for event in events],
    }


def _events(
    source: FileSource, engine: ChunkEngine, max_audio_s: float, trace: Trace
) -> Iterator[Events]:
    """Yield the events of each chunk; all of them also if the file breaks off."""
    try:
        with source:
            for chunk in trace.timed(source):
                yield list(engine.feed(chunk))
                if engine.processed_s > max_audio_s:
                    msg = f"a file may have {max_audio_s:g} s of audio"
                    raise ProtocolError(msg, "audio_too_long")
    except AudioError:
        yield list(engine.flush())
        raise
    yield list(engine.flush())


async def _collect(
    pieces: Iterator[Events], events: Events, request: Request, service: Service, trace: Trace
) -> None:
    """Add the events of all pieces to a list, as long as the client waits for them."""
    async for some in service.in_slices(pieces):
        service.metrics.count(some)
        events += some
        for event in some:
            trace.result(event)
        if await request.is_disconnected():
            raise ClientDisconnect


def _config(settings: Sequence[tuple[str, str]]) -> StreamConfig:
    """Read the settings of a request, query parameters or fields of its form."""
    message: dict[str, Any] = {"type": "config", "sample_rate": 16_000, "timing": False}
    for name, text in settings:
        if name not in QUERY:
            msg = f"no setting {name[:80]!r}; there are {', '.join(QUERY)}"
            raise ProtocolError(msg, "bad_request")
        if name in message:
            msg = f"{name} is given twice"
            raise ProtocolError(msg, "bad_request")
        message |= settings_of([(name, text)])
    check(message, "config", "bad_request")
    try:
        return StreamConfig.of(message)
    except ConfigError as error:  # NaN, which no schema refuses
        raise ProtocolError(str(error), "bad_request") from error
