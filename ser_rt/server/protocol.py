"""The messages of ``/v1/stream`` (docs/protocol.md), checked with their JSON Schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

from ser_rt.errors import SerError
from ser_rt.runtime.event import Event
from ser_rt.runtime.settings import StreamSettings
from ser_rt.server.limits import MAX_CONTROL_BYTES, ServerLimits
from ser_rt.server.model import ServedModel

SCHEMA_PATH = Path(__file__).parent / "schemas" / "protocol.json"
VERSION = 1

CLOSE_CODES = {
    "config_expected": 1008,
    "bad_json": 1007,
    "bad_message": 1008,
    "bad_config": 1008,
    "bad_audio": 1007,
    "no_audio": 1008,
    "message_too_big": 1009,
    "too_fast": 1008,
    "session_too_long": 1008,
    "idle_timeout": 1008,
    "model_failed": 1011,
    "internal": 1011,
}
"""Close code of a stream after each error."""

STATUSES = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden_origin": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "upload_too_slow": 408,
    "upload_too_big": 413,
    "audio_too_long": 413,
    "bad_audio": 422,
    "no_audio": 422,
    "key_reused": 422,
    "model_failed": 500,
    "internal": 500,
    "not_ready": 503,
    "server_full": 503,
    "shutting_down": 503,
    "timed_out": 504,
    "no_storage": 507,
}
"""HTTP status of each error."""

SETTINGS = (
    *("window_s", "hop_s", "min_window_s", "half_life_s", "weight_per_s", "neutral"),
    *("partial", "episodes", "vad", "gate_threshold", "name", "profile"),
    *("turns", "turn_pause_s", "longest_turn_s", "turn_updates", "speaker_change", "channel_names"),
)
"""Keys of ``config`` that an engine understands as they are."""
_WHOLE = {"sample_rate", "channels", "channel", "top_k", "track"}


class ProtocolError(SerError):
    """A client broke the protocol, or the server cannot go on with it."""

    def __init__(self, message: str, code: str, partial: dict[str, Any] | None = None) -> None:
        """Name the error by a code in `CLOSE_CODES` or `STATUSES`.

        ``partial`` holds the results before it, of a recording that breaks off.
        """
        super().__init__(message)
        self.code, self._partial = code, partial

    def to_dict(self) -> dict[str, Any]:
        """Return the ``error`` message."""
        error = {"type": "error", "code": self.code, "message": str(self), "fatal": True}
        return error if self._partial is None else error | {"heard": self._partial}


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Settings of a client; see ``config`` in docs/protocol.md."""

    settings: StreamSettings
    encoding: str = "pcm_s16le"
    sample_rate: int = 0
    channels: int = 1
    live: bool = False
    timing: bool = True
    top_k: int | None = None
    start_s: float = 0.0
    language: str = "en"
    track: int | None = None

    @classmethod
    def of(cls, message: dict[str, Any]) -> StreamConfig:
        """Read a ``config`` message that has been checked."""
        # In JSON 2.0 is an integer as well.
        whole = {k: int(v) for k, v in message.items() if k in _WHOLE and isinstance(v, float)}
        message = message | whole
        settings = {key: message[key] for key in (*SETTINGS, "steadiness") if key in message}
        own = {key: message[key] for key in cls.__slots__ if key in message}
        return cls(settings=StreamSettings.of(message.get("channel"), **settings), **own)


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of all messages."""
    return cast("dict[str, Any]", json.loads(SCHEMA_PATH.read_text(encoding="utf-8")))


@cache
def validator(name: str) -> Draft202012Validator:
    """Return the validator of one definition of the schema."""
    whole: Resource[Any] = Resource.from_contents(schema())
    registry: Registry[Any] = Registry().with_resource(schema()["$id"], whole)
    return Draft202012Validator({"$ref": f"{schema()['$id']}#/$defs/{name}"}, registry=registry)


def check(value: Any, name: str, code: str) -> None:
    """Raise a `ProtocolError` of a code if a value breaks a definition of the schema."""
    found = best_match(validator(name).iter_errors(value))
    if found is not None:
        where = "".join(f"{part}: " for part in found.absolute_path)
        msg = f"{where}{found.message}"[:300]
        raise ProtocolError(msg, code)


def read_message(text: str) -> dict[str, Any]:
    """Return a client's text message, if it is one of the protocol.

    Raises:
        ProtocolError: It is not.
    """
    if len(text) > MAX_CONTROL_BYTES:
        msg = f"a text message has at most {MAX_CONTROL_BYTES} characters, not {len(text)}"
        raise ProtocolError(msg, "message_too_big")
    try:
        message = json.loads(text)
        # Python reads more than JSON: NaN, infinity, half a character. None could be sent back.
        json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        msg = f"a text message must be JSON, and audio binary: {error}"
        raise ProtocolError(msg, "bad_json") from error
    if not isinstance(message, dict):
        msg = f"a text message must be a JSON object, not {type(message).__name__}"
        raise ProtocolError(msg, "bad_json")
    if "type" not in message and "event" in message:
        msg = "this is no message of /v1/stream: Twilio Media Streams go to /v1/twilio"
        raise ProtocolError(msg, "bad_message")
    check(message, "client_message", "bad_message")
    return message


def description_of(
    model: ServedModel, settings: StreamSettings, language: str = "en"
) -> dict[str, Any]:
    """Return what clients are told of a model, and of the windows of a stream."""
    bundle = model.bundle
    more: dict[str, Any] = {} if bundle.notice is None else {"notice": bundle.notice}
    if bundle.dimensions:
        more["dimensions"] = list(bundle.dimensions)
    return {
        "provider": model.provider,
        "precision": bundle.precision,
        "labels": [
            {"id": label.id, "en": label.en, "ko": label.ko, "name": getattr(label, language)}
            for label in bundle.labels
        ],
        "sample_rate": bundle.sample_rate,
        **settings.windows_for(model)._asdict(),
        **more,
    }


def event_message(event: Event, config: StreamConfig) -> dict[str, Any]:
    """Return the message of an event, as a client wants it."""
    message = event.to_dict(timing=config.timing, top_k=config.top_k)
    return message | {"fatal": False} if event.type == "warning" else message


def ready(
    session: str, model: ServedModel, config: StreamConfig, limits: ServerLimits
) -> dict[str, Any]:
    """Return the answer to ``config``."""
    naming = config.settings.naming_for(model)
    return {
        "type": "ready",
        "protocol": VERSION,
        "session": session,
        "model": {"name": model.bundle.name, "version": model.bundle.version},
        **description_of(model, config.settings, config.language),
        "streaming": config.settings.streaming_for(model) is not None,
        "half_life_s": naming.half_life_s,
        "gate_threshold": naming.gate_threshold,
        "live": config.live,
        "start_s": config.start_s,
        "limits": {
            "max_message_bytes": limits.max_message_bytes,
            "max_session_s": limits.max_session_s,
            "idle_timeout_s": limits.idle_timeout_s,
        },
    }
