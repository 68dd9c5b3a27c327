"""``POST /v1/classify``: classifies an uploaded file as a stream of the same audio would be."""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request

from ser_rt.audio.sources.file import FileSource
from ser_rt.errors import AudioError, ClusterError, ConfigError, InferenceError
from ser_rt.files.hashing import sha256_of
from ser_rt.runtime.channels import make_engines
from ser_rt.runtime.engine import ChunkEngine
from ser_rt.server.bodies import HOW, is_of_curl, receive, stored
from ser_rt.server.idempotency import HEADER, key_of
from ser_rt.server.protocol import (
    ProtocolError,
    StreamConfig,
    check,
    event_message,
)
from ser_rt.server.service import Service
from ser_rt.server.settings_text import OF_UPLOADS, QUERY, settings_of
from ser_rt.server.stream_state import Events
from ser_rt.server.tracing import Trace

DETAILS = {"all": None, "turns": {"turn", "warning"}, "overall": {"warning"}}
"""Types of the events that an answer has, by ``detail``; None for all."""


async def classify(request: Request, service: Service, client: str) -> tuple[bytes, bool]:
    """Return the answer to a request, as JSON, and whether it was there already.

    The file is deleted afterwards. ``client`` is the API key, for which answers are kept.

    Raises:
        ProtocolError: The file or a setting is unfit, there is too much of it, this machine has no
            room for it, its time is over, or its client left.
    """
    try:
        with service.trace("classify", request.headers) as trace:
            try:
                return await _classify(request, service, client, trace)
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


async def _classify(
    request: Request, service: Service, client: str, trace: Trace
) -> tuple[bytes, bool]:
    clock = asyncio.get_running_loop().time
    started = clock()
    query = [pair for pair in request.query_params.multi_items() if pair[0] != "token"]
    wanted = _Wanted.of(query)
    key = request.headers.get(HEADER)
    key = None if key is None else key_of(key)
    with ExitStack() as opened:
        with stored():
            # The client's name for it chooses no path.
            folder = opened.enter_context(
                tempfile.TemporaryDirectory(prefix="ser-rt-", ignore_cleanup_errors=True)
            )
            path = Path(folder) / "upload"
            most_s = service.limits.upload_timeout_s
            try:
                async with asyncio.timeout(min(most_s, wanted.timeout_s or most_s)):
                    with path.open("w+b") as file:
                        fields = await receive(request, file, service.limits.max_upload_bytes)
            except TimeoutError:
                if clock() - started < most_s:
                    raise wanted.over() from None
                msg = f"an upload may take {most_s:g} s"
                raise ProtocolError(msg, "upload_too_slow") from None
        if fields:
            wanted = _Wanted.of([*query, *fields])
        job = _Job(path, wanted, request, service, trace)
        ends_at = None if wanted.timeout_s is None else started + wanted.timeout_s
        try:
            async with asyncio.timeout_at(ends_at):
                if key is None:
                    return await job.run(), False
                content = await service.upload_threads.run(lambda: sha256_of(path))
                name, fingerprint = (client, key), f"{content} {wanted.settings}"
                return await service.answers.get(name, fingerprint, job.run)
        except TimeoutError:
            raise wanted.over(job.heard) from None


class _Job:
    """The classification of one file."""

    def __init__(
        self, path: Path, wanted: _Wanted, request: Request, service: Service, trace: Trace
    ) -> None:
        self._path, self._wanted, self._request = path, wanted, request
        self._service, self._trace = service, trace
        self._events: Events = []
        self._duration_s = 0.0
        self._overall: dict[str, Any] | None = None

    async def run(self) -> bytes:
        """Return the answer."""
        service, settings = self._service, self._wanted.config.settings
        classifier = service.batcher.open()
        try:
            engine = make_engines(classifier, settings)
        except ConfigError as error:
            raise ProtocolError(str(error), "bad_request") from error
        track, channel = self._wanted.config.track, settings.source_channel
        source = FileSource(self._path, classifier.sample_rate, track=track, channel=channel)
        try:
            await self._collect(source, engine)
        except AudioError as error:
            # The path is the server's own, and means nothing to the client.
            msg = str(error).replace(str(self._path), "the file")
            raise ProtocolError(msg, "bad_audio", partial=self.heard) from error
        except InferenceError as error:
            raise ProtocolError(str(error), "model_failed") from error
        except ClusterError as error:  # another replica may have what this one lacks
            raise ProtocolError(str(error), "not_ready") from error
        finally:
            service.metrics.uploads.inc()
            service.metrics.audio.inc(self._duration_s)
        # An hour of short hops has so many events that writing them would hold up the loop.
        return await service.upload_threads.run(
            lambda: json.dumps(self._answer(), ensure_ascii=False).encode()
        )

    async def _collect(self, source: FileSource, engine: ChunkEngine) -> None:
        """Note the events of all pieces, as long as the client waits for them."""
        pieces = _events(source, engine, self._service.limits.max_audio_s, self._trace)
        threads = self._service.upload_threads
        async for some in self._service.in_slices(pieces, threads.run):
            self._service.metrics.count(some)
            self._events += some
            for event in some:
                self._trace.result(event)
            # Noted between two pieces: when time is over, a thread may be at the next.
            self._duration_s, self._overall = engine.processed_s, engine.overall.to_dict()
            if await self._request.is_disconnected():
                raise ClientDisconnect

    @property
    def heard(self) -> dict[str, Any] | None:
        """The results so far; None before there are any."""
        return self._answer() if self._duration_s else None

    def _answer(self) -> dict[str, Any]:
        """Return the results so far, the whole first."""
        config, types = self._wanted.config, DETAILS[self._wanted.detail]
        model = self._service.model
        shown = [event for event in self._events if types is None or event.type in types]
        return {
            "overall": self._overall,
            "duration_s": round(self._duration_s, 6),
            "model": {"name": model.bundle.name, "version": model.bundle.version},
            "provider": model.provider,
            "precision": model.bundle.precision,
            "events": [event_message(event, config) for event in shown],
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


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a client wants: settings of the stream, and of the answer."""

    config: StreamConfig
    settings: tuple[tuple[str, str], ...]
    detail: str
    timeout_s: float | None

    @classmethod
    def of(cls, settings: Sequence[tuple[str, str]]) -> _Wanted:
        """Read the settings of a request, query parameters or fields of its form."""
        message: dict[str, Any] = {"type": "config", "sample_rate": 16_000, "timing": False}
        own: dict[str, Any] = {"detail": "all"}
        for name, text in settings:
            if name not in QUERY and name not in OF_UPLOADS:
                names = ", ".join((*QUERY, *OF_UPLOADS))
                msg = f"no setting {name[:80]!r}; there are {names}"
                raise ProtocolError(msg, "bad_request")
            if [each for each, _ in settings].count(name) > 1:
                msg = f"{name} is given twice"
                raise ProtocolError(msg, "bad_request")
            if name in OF_UPLOADS:
                own |= settings_of([(name, text)], "upload")
            else:
                message |= settings_of([(name, text)])
        check(own, "upload", "bad_request")
        if not math.isfinite(own.get("timeout_s", 0)):
            msg = "timeout_s must be a number of seconds"
            raise ProtocolError(msg, "bad_request")
        if own["detail"] == "turns":
            message["turns"] = True
        check(message, "config", "bad_request")
        try:
            config = StreamConfig.of(message)
        except ConfigError as error:  # NaN, which no schema refuses
            raise ProtocolError(str(error), "bad_request") from error
        decisive = tuple(sorted(pair for pair in settings if pair[0] != "timeout_s"))
        return cls(config, decisive, own["detail"], own.get("timeout_s"))

    def over(self, heard: dict[str, Any] | None = None) -> ProtocolError:
        """Return the error of a request that takes too long, with the results so far."""
        msg = f"not done within the {self.timeout_s:g} s of timeout_s"
        return ProtocolError(msg, "timed_out", partial=heard)
