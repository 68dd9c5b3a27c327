"""`ListenAdapter`: raw audio after query parameters, as Deepgram's ``/v1/listen`` takes it.

As of https://developers.deepgram.com/reference/speech-to-text/listen-streaming: ``encoding``,
``sample_rate``, ``channels`` and ``multichannel`` in the address; binary audio; ``KeepAlive``,
``Finalize`` and ``CloseStream``. Results are those of ``/v1/stream``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ser_rt.server.adapters.base import Adapter, Message, Translated, read_settings
from ser_rt.server.protocol import ProtocolError

ENCODINGS = {
    "linear16": "pcm_s16le",
    "linear32": "pcm_f32le",
    "mulaw": "pcm_mulaw",
    "alaw": "pcm_alaw",
    "opus": "opus",
    "ogg-opus": "opus",
}
_BOOLEANS = {"true": True, "false": False}
_IGNORED = {"token", "model", "language", "version", "interim_results", "punctuate", "smart_format"}
"""What asks for a text, which there is none of here."""


class ListenAdapter(Adapter):
    """Translates one connection."""

    path = "/v1/listen"
    about = "binary audio, and KeepAlive, Finalize or CloseStream as their 'type'"

    def __init__(self) -> None:
        self._channels = 1
        self._has_audio = False

    def open(self, query: Mapping[str, str]) -> Iterator[Translated]:
        """Yield the config that the address describes."""
        rest = {name: value for name, value in query.items() if name not in _IGNORED}
        encoding = rest.pop("encoding", None)
        multichannel = rest.pop("multichannel", "false")
        if multichannel not in _BOOLEANS:
            msg = f"multichannel is {multichannel[:40]!r}, not true or false"
            raise ProtocolError(msg, "bad_config")
        if encoding is not None and encoding not in ENCODINGS:
            msg = f"encoding is {encoding[:40]!r}; there are {', '.join(ENCODINGS)}"
            raise ProtocolError(msg, "bad_config")
        config: Message = {"encoding": ENCODINGS[encoding or "opus"]}
        if encoding not in {None, "opus", "ogg-opus"}:
            config |= {"sample_rate": _number(rest, "sample_rate", None)}
            config |= {"channels": _number(rest, "channels", 1)}
            self._channels = config["channels"]
        else:  # the file says so itself
            rest = {k: v for k, v in rest.items() if k not in {"sample_rate", "channels"}}
        if _BOOLEANS[multichannel]:
            config |= {"channel": "split"}
        yield {"type": "config", "live": True, **config, **read_settings(rest, self.path)}

    def take(self, received: str | bytes) -> Iterator[Translated]:
        """Yield what a message of the client stands for."""
        if isinstance(received, bytes):
            self._has_audio = self._has_audio or bool(received)
            yield received
            return
        kind = self.parsed(received, "type")["type"]
        if kind == "KeepAlive":
            yield {"type": "keepalive"}
        elif kind == "Finalize":
            yield {"type": "finalize"}
        elif kind == "CloseStream":
            if not self._has_audio:
                msg = "the stream has ended without any audio"
                raise ProtocolError(msg, "no_audio")
            yield {"type": "close"}
        else:
            raise self.unknown(kind)

    def give(self, message: Message) -> Iterator[Message]:
        """Yield the message; of a channel, with its index and the number of channels.

        A file says its number of channels itself: of one, it is that of those found so far.
        """
        if "channel" in message:
            self._channels = max(self._channels, message["channel"])
            message = {**message, "channel_index": [message["channel"] - 1, self._channels]}
        yield message


def _number(query: dict[str, str], name: str, default: int | None) -> int:
    text = query.pop(name, "" if default is None else str(default))
    if not text.isdecimal() or len(text) > 9:
        msg = f"{name} is {text[:40]!r}: raw audio needs a whole number there"
        raise ProtocolError(msg, "bad_config")
    return int(text)
