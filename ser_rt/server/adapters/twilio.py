"""`TwilioAdapter`: Twilio Media Streams, the audio of a call as mu-law in JSON.

As of https://www.twilio.com/docs/voice/media-streams/websocket-messages: ``connected``, ``start``,
``media``, ``dtmf``, ``mark`` and ``stop``. Both tracks of a call are two channels of one stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ser_rt.server.adapters.base import Adapter, Message, Translated, decoded, read_settings
from ser_rt.server.protocol import ProtocolError

RATE_HZ = 8_000
SILENCE = b"\xff"
"""Zero in mu-law."""

_TRACKS = ("inbound", "outbound")
_JITTER = RATE_HZ // 5
_LATE = RATE_HZ
_LONGEST_HOLE = 600 * RATE_HZ


class TwilioAdapter(Adapter):
    """Translates one call."""

    path = "/v1/twilio"
    about = "messages of Twilio Media Streams, with an 'event'"

    def __init__(self) -> None:
        self._tracks: tuple[str, ...] = ()
        self._audio: dict[str, bytearray] = {}
        self._taken: dict[str, int] = {}
        self._sent = 0
        self._sid = ""
        self._settings: Message = {}

    def open(self, query: Mapping[str, str]) -> Iterator[Translated]:
        """Take settings; Twilio itself sends none, they come as parameters of the call."""
        self._settings = self._read({k: value for k, value in query.items() if k != "token"})
        yield from ()

    def take(self, received: str | bytes) -> Iterator[Translated]:
        """Yield what a message of Twilio stands for."""
        message = self.parsed(received, "event")
        event = message["event"]
        if event in {"connected", "dtmf", "mark"}:
            return
        if event == "start":
            yield self._start(message)
        elif event in {"media", "stop"} and not self._tracks:
            msg = f"{event} came before start"
            raise ProtocolError(msg, "config_expected")
        elif event == "media":
            self._media(message.get("media"))
            yield from self._interleaved(_LATE)
        elif event == "stop":
            if not any(self._taken.values()):
                msg = "the call has ended without any audio"
                raise ProtocolError(msg, "no_audio")
            yield from self._interleaved(0)
            yield {"type": "close"}
        else:
            raise self.unknown(event)

    def give(self, message: Message) -> Iterator[Message]:
        """Yield the message with the keys of Twilio's own."""
        yield {"event": message["type"], "streamSid": self._sid, **message}

    def _start(self, message: Message) -> Message:
        start: Any = message.get("start")
        if self._tracks:
            msg = "start came twice; each call has a connection of its own"
            raise ProtocolError(msg, "bad_message")
        if not isinstance(start, dict):
            msg = "start has no 'start' with tracks and mediaFormat"
            raise ProtocolError(msg, "bad_message")
        wanted = {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1}
        if (found := start.get("mediaFormat", wanted)) != wanted:
            msg = f"mediaFormat is {str(found)[:120]}, not {wanted}"
            raise ProtocolError(msg, "bad_config")
        tracks, parameters = start.get("tracks", ["inbound"]), start.get("customParameters", {})
        if not isinstance(tracks, list) or not tracks or any(x not in _TRACKS for x in tracks):
            msg = f"tracks are {str(tracks)[:80]}, not some of {', '.join(_TRACKS)}"
            raise ProtocolError(msg, "bad_config")
        if not isinstance(parameters, dict) or not all(
            isinstance(value, str) for value in parameters.values()
        ):
            msg = f"customParameters are {str(parameters)[:80]}, no texts by name"
            raise ProtocolError(msg, "bad_config")
        self._tracks = tuple(track for track in _TRACKS if track in tracks)
        self._sid = str(message.get("streamSid") or start.get("streamSid") or "")
        self.ids = tuple(filter(None, (self._sid, str(start.get("callSid") or ""))))
        self._audio = {track: bytearray() for track in self._tracks}
        self._taken = dict.fromkeys(self._tracks, 0)
        settings = self._settings | self._read(parameters)
        config = {"encoding": "pcm_mulaw", "sample_rate": RATE_HZ, "live": True, "turns": True}
        if len(self._tracks) > 1:
            split = {"channels": 2, "channel": "split", "channel_names": list(_TRACKS)}
            return {"type": "config", **config, **split, **settings}
        return {"type": "config", **config, **settings}

    def _read(self, given: Mapping[str, str]) -> Message:
        """Return settings; ``quiet`` is not one of streams."""
        quiet = given.get("quiet", "true" if self.is_quiet else "false")
        if quiet not in {"true", "false"}:
            msg = f"quiet must be true or false, not {quiet[:40]!r}"
            raise ProtocolError(msg, "bad_config")
        self.is_quiet = quiet == "true"
        return read_settings({k: v for k, v in given.items() if k != "quiet"}, self.path)

    def _media(self, media: object) -> None:
        if not isinstance(media, dict):
            msg = "media has no 'media' with track, timestamp and payload"
            raise ProtocolError(msg, "bad_message")
        track = media.get("track", self._tracks[0])
        if not isinstance(track, str) or track not in self._audio:
            msg = f"media is of track {str(track)[:40]!r}; start named {', '.join(self._tracks)}"
            raise ProtocolError(msg, "bad_message")
        payload = decoded(media.get("payload"), "payload of media")
        if len(payload) % 2:
            msg = (
                f"payload of media has {len(payload)} bytes: mu-law at 8 kHz comes in frames of "
                "20 ms, 160 bytes, never in an odd number"
            )
            raise ProtocolError(msg, "bad_audio")
        hole = self._place(media) - self._taken[track]
        if hole > _LONGEST_HOLE:
            msg = f"the timestamps jump by {hole / RATE_HZ:.0f} s"
            raise ProtocolError(msg, "bad_message")
        if hole > _JITTER:  # packets were lost, or the track began later
            self._add(track, SILENCE * hole)
        elif hole < -_JITTER:  # it comes so late that its time has been filled with silence
            payload = payload[-hole:]
        self._add(track, payload)

    def _place(self, media: Message) -> int:
        """Return the sample at which a packet begins, by its time stamp in ms."""
        text = str(media.get("timestamp", "0"))
        if not text.isdecimal() or len(text) > 12:
            msg = f"timestamp of media is {text[:40]!r}, no number of milliseconds"
            raise ProtocolError(msg, "bad_message")
        return int(text) * RATE_HZ // 1000

    def _add(self, track: str, samples: bytes) -> None:
        self._audio[track] += samples
        self._taken[track] += len(samples)

    def _interleaved(self, late: int) -> Iterator[bytes]:
        """Yield the audio that all tracks have; one that is ``late`` samples behind is silent."""
        least = max(self._taken.values()) - late
        for track, taken in self._taken.items():
            if taken < least:
                self._add(track, SILENCE * (least - taken))
        count = min(map(len, self._audio.values()))
        if not count:
            return
        width = len(self._tracks)
        samples = bytearray(width * count)
        for place, waiting in enumerate(self._audio.values()):
            samples[place::width] = waiting[:count]
            del waiting[:count]
        yield bytes(samples)
