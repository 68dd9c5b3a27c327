"""`FfmpegDecoder`: one recording of any container, URL or byte stream, decoded with PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from ser_rt.audio.block import Block, Readable
from ser_rt.audio.decoding.damage import Damage
from ser_rt.audio.decoding.flac import flac_sample
from ser_rt.audio.decoding.formats import CONTAINERS
from ser_rt.audio.decoding.frames import FrameFilter, is_pause
from ser_rt.audio.decoding.part import LOSSY_SLACK_S, SLACK_S, Recording
from ser_rt.audio.decoding.pyav import floats, load, rate, temporary
from ser_rt.audio.decoding.timeline import FILL_S, Timeline
from ser_rt.errors import AudioDecodeError, NoTrackError

_ABSOLUTE = {"matroska", "mov", "nut"}
"""Containers whose time stamps count from the start of the recording."""

_RELATIVE = {
    *("ogg", "mpegts", "mpeg", "flv", "live_flv", "asf", "avi", "rm"),
    *("rtsp", "rtp", "hls", "dash"),
}
"""Containers whose time stamps begin anywhere. Those of all others FFmpeg makes up."""

_STATED = {"ape", "mpc", "mpc8", "tak", "tta", "voc", "wv"}
"""Containers that store their number of samples; elsewhere a duration may be a guess."""

_COUNTED = _STATED | {"flac"}
_CHECKED = {"wv", "tta"}
"""Containers whose codecs look at check sums when told so, and refuse what is damaged."""

RAW = {"mp3", "aac", "amr", "ac3", "eac3", "dts", "loas"}
"""Codecs without a container: any bytes that look like a packet are taken for one."""

_PATIENT = {"analyzeduration": "60000000", "probesize": "20000000"}
"""How far to look for the first audio packet of a track, in microseconds and bytes: FFmpeg gives up
after 5 s."""

_PAUSING = {"opus", "libopus", "amrnb", "amrwb", "amr_nb", "amr_wb", "speex"}
"""Codecs that may send nothing in pauses of speech. They decode zeros, too."""

_LONGEST_ZERO = 4
"""A real packet of these that is longer is not all zeros."""

_LATEST_BEGINNING_S = 10.0
"""Ogg that begins later is a piece of a broadcast, else it lost pages; AVI has a damaged header."""

_MOST_FAULTS = 16
"""Reads that fail in a row."""


class FfmpegDecoder:
    """Open audio.

    Attributes:
        sample_rate: In Hz, by the container; that of the blocks counts.
        is_endless: Whether its length is not known beforehand.
        tracks: Their number.
        end_s: Time behind the last frame, once it is decoded.
        end_byte: Offset behind the last frame, once it is decoded, of formats that do not say how
            long they are in bytes; None for others.
        last_begin: Offset of the last frame of these.
        rest: First bytes of another format that were read, if any were.
        rest_at: Their offset.
    """

    waited_s = 0.0
    is_live = False

    def __init__(
        self,
        source: str | Readable | BinaryIO,
        name: str,
        *,
        track: int | None = None,
        formats: str | None = CONTAINERS,
        timeout_s: float | None = None,
        is_patient: bool = False,
    ) -> None:
        """Open a URL or a stream of bytes, and find its audio.

        Args:
            source: A URL or a stream; with ``seek`` if it can be read in any order.
            name: Its name in messages.
            track: From 1; None for the one that the container prefers.
            formats: Names of the formats allowed, separated by commas; None for all.
            timeout_s: How long to wait for an answer.
            is_patient: Whether audio that begins after a while, as in a video, is waited for.

        Raises:
            AudioDecodeError: It does not open, or has no audio.
            NoTrackError: It has no such track.
        """
        self._av = load(name)
        self._name = name
        self._filter = source if isinstance(source, FrameFilter) else None
        options = {} if formats is None else {"format_whitelist": formats}
        options |= _PATIENT if is_patient else {}
        try:
            self._container: Any = self._av.open(source, timeout=timeout_s, options=options)
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            if isinstance(error, AudioDecodeError):
                raise
            raise AudioDecodeError(self._why_not(error, timeout_s)) from error
        try:
            self._stream = self._chosen(track)
        except (AudioDecodeError, NoTrackError):
            self._container.close()
            raise
        if self._container.format.name in _CHECKED:
            self._stream.codec_context.options = {"err_detect": "crccheck+explode"}
        elif self._container.format.name == "caf":  # padding would be taken off twice
            self._stream.codec_context.options = {"flags2": "+skip_manual"}
        self.sample_rate: int = self._stream.rate
        self.is_endless: bool = self._container.duration is None
        self.format: str = self._container.format.name.split(",")[0]
        self.end_s, self.last_begin = 0.0, 0
        self.end_byte: int | None = None
        self.rest, self.rest_at = b"", 0
        self._flac_block = self._lost_s = self._origin_s = 0.0
        self._is_deaf = self._stream.codec_context.name in _PAUSING
        self._flac_sample: float | None = None
        self._base_s: float | None = 0.0 if self.format in _ABSOLUTE else None
        if self.format in _RELATIVE:
            self._base_s = (self._container.start_time or 0) / 1e6
        if self.format == "ogg" and self._base_s is not None and self._base_s < _LATEST_BEGINNING_S:
            self._lost_s, self._base_s = self._base_s, 0.0

    def blocks(
        self, block_s: float, *, origin_s: float = 0.0, recording: Recording | None = None
    ) -> Iterator[Block]:
        """Yield blocks of at most ``block_s`` seconds; lost packets are silence.

        Args:
            block_s: Longest block in seconds.
            origin_s: Where it begins, if it follows another recording.
            recording: Facts about it that are known once all is decoded.

        Raises:
            AudioDecodeError: Behind the last block, if something is missing.
        """
        line = Timeline(block_s, origin_s, has_pauses=self._stream.codec_context.name in _PAUSING)
        has_padding = self.format not in _ABSOLUTE
        self._origin_s = origin_s if self.format in _ABSOLUTE else 0.0
        damage = Damage(self._name, counts_bytes=self.format in RAW, has_padding=has_padding)
        try:
            if self.tracks > 1:
                number = self._container.streams.audio.index(self._stream) + 1
                message = f"{self.tracks} audio tracks: {number} is used; --track selects another"
                yield from line.warn("tracks", message)
            if self._lost_s > SLACK_S:
                yield from line.warn("gap", f"no audio from 0.00 to {self._lost_s:.2f} s")
            for packet in self._packets(damage, line):
                yield from self._decoded(packet, damage, line)
            if self._filter is not None:
                damage.left_out(self._filter.lost_before())
            yield from line.flush()
        finally:
            self.end_s = line.end_s
            if self._filter is not None:
                self.rest, self.rest_at = self._filter.rest, self._filter.rest_at
            elif self.format in RAW | _COUNTED:
                self.end_byte, self.last_begin = damage.last_byte, damage.last_begin
        if isinstance(damage.broken, AudioDecodeError):
            msg = f"{self._name} is truncated at {line.end_s:.2f} s: {damage.broken}"
            raise AudioDecodeError(msg)
        promised_s = recording.promised_s if recording is not None else None
        promised_s = (promised_s or self._stated_s() or 0.0) + damage.promised_s
        has_stamps = self.format in ("matroska", "flac", "flv", "nut", "ogg")
        got_s = line.end_s - origin_s if has_stamps else line.decoded_s
        slack_s = SLACK_S if self.format == "flac" else LOSSY_SLACK_S
        if promised_s - got_s > slack_s:
            msg = f"{self._name} is truncated at {line.end_s:.2f} s: its header promises "
            raise AudioDecodeError(msg + f"{promised_s:.2f} s")
        if not promised_s:
            yield from damage.check_end(line)
        yield from damage.check_list(line, self._container, got_s)

    def close(self) -> None:
        """Close the audio."""
        self._container.close()

    def _chosen(self, track: int | None) -> Any:
        """Return the audio track to decode."""
        streams = self._container.streams.audio
        self.tracks = len(streams)
        if track is not None and not 1 <= track <= max(1, self.tracks):
            msg = f"{self._name} has {self.tracks} audio tracks, and no track {track}"
            raise NoTrackError(msg)
        if not streams:
            msg = f"{self._name} has no audio in it"
            raise AudioDecodeError(msg)
        if track is None:
            usual = [s for s in streams if s.disposition & s.disposition.default and rate(s)]
            stream = (usual or [s for s in streams if rate(s)] or streams)[0]
        else:
            stream = streams[track - 1]
        if not rate(stream):
            msg = f"{self._name} has no audio in it that can be decoded"
            raise AudioDecodeError(msg)
        return stream

    def _packets(self, damage: Damage, line: Timeline) -> Iterator[Any]:
        """Yield packets, past places where reading fails."""
        faults = 0
        while True:
            before = line.end_s
            try:
                yield from self._container.demux(self._stream)
            except temporary(self._av) as error:
                faults = faults + 1 if line.end_s == before else 1
                if faults > _MOST_FAULTS:
                    damage.broken = None if isinstance(error, BlockingIOError) else error
                    return
            except AudioDecodeError as error:  # of the stream of bytes itself
                damage.broken = error
                return
            except (self._av.error.FFmpegError, OSError) as error:
                damage.broken = error
                return
            except IndexError:  # PyAV at the end, if a track was added late
                return
            else:
                return

    def _decoded(self, packet: Any, damage: Damage, line: Timeline) -> Iterator[Block]:
        if self.format == "mp3" and packet.size and damage.is_no_sound(packet):
            return
        if self.format == "flac" and packet.size and not self._stamp_flac(packet):
            return
        if self._filter is not None and packet.size:
            damage.left_out(self._filter.lost_before(packet.pos))
            if self.format == "amr" and is_pause(bytes(packet)):
                yield from line.silence(float(packet.duration * packet.time_base))
                return
        try:
            is_lost = self._is_deaf and packet.size > _LONGEST_ZERO and not any(memoryview(packet))
            frames = [] if is_lost else packet.decode()
        except (self._av.error.FFmpegError, ValueError):
            is_lost, frames = True, []
        if is_lost:
            damage.lost(packet)
        for frame in frames:
            if not frame.samples or not frame.sample_rate:
                continue
            stamp_s = self._stamp_s(frame)
            if damage.is_unreported:
                yield from damage.report(line, has_stamps=stamp_s is not None)
            yield from line.add(floats(frame), frame.sample_rate, stamp_s)
            damage.decoded(packet, frame)

    def _stamp_s(self, frame: Any) -> float | None:
        """Return the time of a frame by the container, None if that has none."""
        if self._base_s is None or frame.pts is None:
            return None
        stamp_s = float(frame.pts * frame.time_base) - self._base_s
        origin_s, self._origin_s = self._origin_s, 0.0
        if origin_s > FILL_S and abs(stamp_s - origin_s) <= FILL_S:
            self._base_s, stamp_s = origin_s, stamp_s - origin_s  # the header came again
        if self.format != "avi":
            return stamp_s
        self._base_s = None  # the header gives all times, and may be damaged
        return stamp_s if stamp_s < _LATEST_BEGINNING_S else None

    def _stamp_flac(self, packet: Any) -> bool:
        """Give a packet the time that its frame has: FFmpeg only counts frames.

        Return False for a frame that FFmpeg gives a second time, as it does before a damaged one.
        """
        if not self._flac_block and packet.duration:
            self._flac_block = float(packet.duration * packet.time_base) * self.sample_rate
        sample = flac_sample(bytes(memoryview(packet)[:16]), self._flac_block)
        if sample is None or not packet.time_base:
            return True
        if sample == self._flac_sample:
            return False
        self._flac_sample = sample
        packet.pts = round(sample / self.sample_rate / packet.time_base)
        if self._base_s is None:
            self._base_s = float(packet.pts * packet.time_base)
        return True

    def _stated_s(self) -> float | None:
        """Return the duration by the container, where that is no guess."""
        if self.format in _STATED and self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base)
        container = self._container
        is_alone = self.format in ("matroska", "flv") and len(container.streams) == 1
        if is_alone and container.duration:
            return float(container.duration / 1e6)
        return None

    def _why_not(self, error: Exception, timeout_s: float | None) -> str:
        if timeout_s is None:
            return f"{self._name} is not audio, or in no format that can be read"
        timed_out = isinstance(error, self._av.error.ExitError | TimeoutError)
        why = f"no answer for {timeout_s:g} s" if timed_out else getattr(error, "strerror", error)
        return f"{self._name} does not open: {why}"
