"""``POST /v1/classify``: a file that a client sends, heard as a stream would be."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from starlette.requests import ClientDisconnect, Request

from ser_rt.classifier import EmotionClassifier
from ser_rt.errors import AudioError, ClusterError, ConfigError, InferenceError
from ser_rt.runtime.audio import ChunkMaker
from ser_rt.runtime.engine import Engine
from ser_rt.runtime.settings import make_engine
from ser_rt.runtime.sources.decoding import CONTAINERS, Decoder, open_audio
from ser_rt.server.bodies import HOW, is_of_curl, receive, stored
from ser_rt.server.hearing import Events
from ser_rt.server.inputs import PIECE_S
from ser_rt.server.protocol import (
    SETTINGS,
    ProtocolError,
    StreamConfig,
    check,
    event_message,
    schema,
)
from ser_rt.server.service import Service

QUERY = (*(name for name in SETTINGS if name != "name"), "top_k")
"""What a request may set, as in ``config``: in its address, or in fields of its form."""


async def classify(request: Request, service: Service) -> dict[str, Any]:
    """Return what is heard in the file of a request; nothing is left of the file afterwards.

    Raises:
        ProtocolError: The file or a setting is unfit, there is too much of it, this machine has no
            room for it, or its client left.
    """
    try:
        return await _classify(request, service)
    except ClientDisconnect:
        msg = "the client left"
        raise ProtocolError(msg, "bad_request") from None
    except ProtocolError as error:
        if error.code == "bad_audio" and is_of_curl(request) and HOW not in str(error):
            msg = f"{error} (if it has lost bytes, as by curl -d: {HOW})"
            raise ProtocolError(msg, error.code) from error
        raise


async def _classify(request: Request, service: Service) -> dict[str, Any]:
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
        hearing = _FileHearing(service.batcher.open(), config, service.limits.max_audio_s)
        pieces = hearing.events(path)
        try:
            events = await _all_events(pieces, request, service)
        except AudioError as error:
            # Its name is ours, and says nothing to the client.
            msg = str(error).replace(str(path), "the file")
            raise ProtocolError(msg, "bad_audio") from error
        except InferenceError as error:
            raise ProtocolError(str(error), "model_failed") from error
        except ClusterError as error:  # another replica may have what this one lacks
            raise ProtocolError(str(error), "not_ready") from error
    service.metrics.uploads.inc()
    service.metrics.audio.inc(hearing.heard_s)
    bundle = service.model.bundle
    return {
        "model": {"name": bundle.name, "version": bundle.version},
        "provider": service.model.provider,
        "precision": bundle.precision,
        "duration_s": round(hearing.heard_s, 6),
        "overall": _overall(events),
        "events": [event_message(event, config) for event in events],
    }


class _FileHearing:
    """Hears a file; for worker threads."""

    def __init__(
        self, classifier: EmotionClassifier, config: StreamConfig, max_audio_s: float
    ) -> None:
        self._rate, self._max_audio_s = classifier.sample_rate, max_audio_s
        try:
            self._engine: Engine = make_engine(classifier, **config.settings)
        except ConfigError as error:
            raise ProtocolError(str(error), "bad_request") from error

    @property
    def heard_s(self) -> float:
        """Seconds of audio heard."""
        return self._engine.heard_s

    def events(self, path: Path) -> Iterator[Events]:
        """Yield the events of each piece of a file."""
        with closing(open_audio(path, formats=CONTAINERS)) as decoder:
            yield from self._decoded(decoder)

    def _decoded(self, decoder: Decoder) -> Iterator[Events]:
        maker = ChunkMaker(decoder.sample_rate, self._rate)
        for block in decoder.blocks(max(1, round(PIECE_S * decoder.sample_rate))):
            yield list(self._engine.feed(maker.feed(block)))
            if self.heard_s > self._max_audio_s:
                msg = f"a file may have {self._max_audio_s:g} s of audio"
                raise ProtocolError(msg, "audio_too_long")
        yield list(self._engine.feed(maker.flush()))
        yield list(self._engine.flush())
        if not self.heard_s:
            msg = "the file holds no audio"
            raise ProtocolError(msg, "no_audio")


async def _all_events(pieces: Iterator[Events], request: Request, service: Service) -> Events:
    events: Events = []
    is_over = False
    while not is_over:
        if await request.is_disconnected():
            raise ClientDisconnect
        some, is_over = await service.in_slices(pieces)
        service.metrics.count(some)
        events += some
    return events


def _config(settings: Sequence[tuple[str, str]]) -> StreamConfig:
    """Read the settings of a request, with the types that the schema gives them."""
    types = schema()["$defs"]["config"]["properties"]
    message: dict[str, Any] = {"type": "config", "sample_rate": 16_000, "timing": False}
    for name, text in settings:
        if name not in QUERY:
            msg = f"no setting {name[:80]!r}; there are {', '.join(QUERY)}"
            raise ProtocolError(msg, "bad_request")
        if name in message:
            msg = f"{name} is given twice"
            raise ProtocolError(msg, "bad_request")
        message[name] = _value(text, types[name]["type"])
    check(message, "config", "bad_request")
    return StreamConfig.of(message)


def _value(text: str, kind: str) -> object:
    """Return a parameter as JSON would have it; what is no such value stays text."""
    if kind == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    try:
        return int(text) if kind == "integer" else float(text)
    except ValueError:
        return text


def _overall(events: Events) -> dict[str, Any] | None:
    """Return the mean over the windows with speech, or None without any."""
    heard = [event for event in events if event.type == "emotion"]
    if not heard:
        return None
    labels = list(heard[0].probabilities)
    means = np.mean([[event.probabilities[label] for label in labels] for event in heard], axis=0)
    shares = {label: round(float(mean), 6) for label, mean in zip(labels, means, strict=True)}
    best = max(shares, key=lambda label: shares[label])
    return {"emotion": best, "confidence": shares[best], "probabilities": shares}
