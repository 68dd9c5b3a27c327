"""How much one client may ask of the server; light enough for a command line to read."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ser_rt.errors import ConfigError

MAX_CONTROL_BYTES = 16_384
"""Of a text message: none of the protocol comes near it."""

CONFIG_TIMEOUT_S = 10.0
"""For the first message, and for the header of a request."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What is refused, ended or slowed down.

    Attributes:
        max_streams: Connections and uploads at once.
        max_uploads: Uploads at once.
        max_session_s: Length of a connection, and of its audio.
        max_message_bytes: Of one message of audio.
        idle_timeout_s: Without a message of the client.
        max_upload_bytes: Of a file.
        max_audio_s: Of a decoded file.
        upload_timeout_s: From the first to the last byte of a file.
        send_buffer_bytes: That wait for a client to read them.
        drain_s: For streams to end when the server shuts down.
    """

    max_streams: int = 64
    max_uploads: int = 8
    max_session_s: float = 14_400.0
    max_message_bytes: int = 1 << 20
    idle_timeout_s: float = 60.0
    max_upload_bytes: int = 100_000_000
    max_audio_s: float = 3_600.0
    upload_timeout_s: float = 300.0
    send_buffer_bytes: int = 1 << 20
    drain_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what limits nothing, or everything."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < float("inf"):
                msg = f"{field.name} must be above 0, not {value!r}"
                raise ConfigError(msg)
