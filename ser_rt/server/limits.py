"""Limits on what one client may use; light enough for a command line to read."""

from __future__ import annotations

from dataclasses import dataclass

from ser_rt.checks import Checked, above, setting

MAX_CONTROL_BYTES = 16_384
"""Of a text message: none of the protocol comes near it."""

CONFIG_TIMEOUT_S = 10.0
"""For the first message, and for the header of a request."""

_POSITIVE = above(0)


@dataclass(frozen=True, slots=True)
class ServerLimits(Checked):
    """Limits beyond which the server refuses, ends or slows a client down."""

    max_streams: int = setting(64, "streams and uploads at once", _POSITIVE)
    max_uploads: int = setting(8, "of these, uploads", _POSITIVE)
    max_session_s: float = setting(14_400.0, "seconds of a stream, and of its audio", _POSITIVE)
    max_message_bytes: int = setting(1 << 20, "bytes of one message", _POSITIVE)
    idle_timeout_s: float = setting(60.0, "seconds without a message", _POSITIVE)
    max_upload_bytes: int = setting(100_000_000, "bytes of a file", _POSITIVE)
    max_audio_s: float = setting(3_600.0, "seconds of a file's audio", _POSITIVE)
    upload_timeout_s: float = setting(300.0, "seconds that an upload may take", _POSITIVE)
    send_buffer_bytes: int = setting(
        1 << 20, "bytes that may wait for a client to read them", _POSITIVE
    )
    drain_s: float = setting(10.0, "seconds for streams to end at shutdown", _POSITIVE)
