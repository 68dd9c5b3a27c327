"""`sniff`: the format of a file or stream, by its first bytes."""

from __future__ import annotations

import struct

from ser_rt.audio.decoding.adts import adts_bytes
from ser_rt.audio.decoding.mp3 import frame_bytes, tag_bytes

SNIFFED_BYTES = 4096
"""With so many bytes every format below is known, if a tag before it is not longer."""

CHUNKED = {"WAV", "RF64", "AIFF", "CAF", "W64"}

SAMPLES = CHUNKED | {"AU"}
"""Formats of plain or simply coded samples, which libsndfile reads fastest."""

CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,g722,gsm,gxf,iff,ircam,"
    "loas,matroska,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,pvf,qcp,rm,shn,sox,"
    "tak,truehd,tta,voc,w64,wav,wtv,wv,xwma"
)
"""FFmpeg's names of formats that hold their own audio: a playlist could name other addresses."""

_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"RF64", "RF64"),
    (0, b"BW64", "RF64"),
    (0, b"caff", "CAF"),
    (0, b".snd", "AU"),
    (0, b"riff\x2e\x91\xcf\x11", "W64"),
    (0, bytes.fromhex("3026b2758e66cf11"), "ASF or WMA"),
    (0, b"FLV\x01", "FLV"),
    (0, b"#!AMR", "AMR"),
    (0, b"wvpk", "WavPack"),
    (0, b"TTA1", "TTA"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"tBaK", "TAK"),
    (0, b".RMF", "RealMedia"),
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"Creative Voice File", "VOC"),
    (0, b"DSD ", "DSF"),
    (0, b"nut/multimedia container", "NUT"),
    (0, b".SoX", "SoX"),
    (0, b"PVF1\n", "PVF"),
    (0, b"\x64\xa3", "IRCAM"),
    (0, b"\x00\x00\x01\xba", "MPEG"),
    (0, b"\x7f\xfe\x80\x01", "DTS"),
    *((4, box, "MP4") for box in (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"wide", b"sidx")),
    *((4, box, "MP4") for box in (b"free", b"skip", b"pnot")),
    (8, b"WAVE", "WAV"),
    (8, b"AVI ", "AVI"),
    (8, b"AIFF", "AIFF"),
    (8, b"AIFC", "AIFF"),
    (8, b"8SVX", "8SVX"),
    (8, b"16SV", "8SVX"),
)
_NEEDED = {"WAV": (b"RIFF", b"RIFX"), "AVI": (b"RIFF",), "AIFF": (b"FORM",), "8SVX": (b"FORM",)}
_TS_PACKET = 188


_INTEGERS, _FLOATS, _NMS, _EXTENSIBLE = 1, 3, 0x38, 0xFFFE
_MPEG = (0x50, 0x55)
"""Format tags of WAV; the last has a longer header, with the tag in it."""

_MOST_BITS = 32
_AU_PLAIN = range(2, 8)
_AIFF_CODED = (b"ulaw", b"alaw", b"ima4", b"gsm ", b"mac3", b"mac6", b"qdm2")
"""Codings of AU and AIFF-C files."""

_WAVES = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff")


def with_whole_bits(head: bytes) -> bytes:
    """Return the first bytes of a WAV file whose samples have as many bits as their places.

    FFmpeg and libsndfile take 24 bits in 32 for samples of three bytes, which is noise.
    """
    at, order = _format(head)
    if not at:
        return head
    tag, channels, frame, bits = struct.unpack_from(f"{order}HH8xHH", head, at)
    places = 8 * frame // channels if channels and frame % channels == 0 else 0
    is_long = tag == _EXTENSIBLE and len(head) >= at + 26
    valid, kind = struct.unpack_from(f"{order}H4xH", head, at + 18) if is_long else (bits, tag)
    if kind != _INTEGERS or places > _MOST_BITS or min(bits, valid) > places - 8:
        return head
    stated = struct.pack(f"{order}H", places)
    head = head[: at + 14] + stated + head[at + 16 :]
    return head[: at + 18] + stated + head[at + 20 :] if is_long else head


def is_of_libsndfile(head: bytes) -> bool:
    """Return whether FFmpeg takes a recording that begins so for another.

    These are WAV with NMS ADPCM, and WAV whose bytes are in the other order.
    """
    return _coding(head) == _NMS or head.startswith(b"RIFX")


def is_plain(head: bytes) -> bool:
    """Return whether zeros are silence in a recording that begins so, as in plain samples."""
    coding = _coding(head)
    if coding is not None:
        return coding in (_INTEGERS, _FLOATS)
    name, common = sniff(head), head.find(b"COMM") + 26
    if name == "AU":
        return int.from_bytes(head[12:16], "big") in _AU_PLAIN
    if name == "CAF":
        return head[28:32] == b"lpcm"
    coded = head[8:12] == b"AIFC" and head[common : common + 4].lower() in _AIFF_CODED
    return name in SAMPLES and not coded


def _coding(head: bytes) -> int | None:
    """Return the format tag of the samples of WAV; None if these are no first bytes of one."""
    at, order = _format(head)
    if not at:
        return None
    (tag,) = struct.unpack_from(f"{order}H", head, at)
    is_long = tag == _EXTENSIBLE and len(head) >= at + 26
    return int(struct.unpack_from(f"{order}H", head, at + 24)[0] if is_long else tag)


def _format(head: bytes) -> tuple[int, str]:
    """Return the offset of the format of WAV samples, 0 if there is none, and its byte order."""
    at = head.find(b"fmt ") if head[:4] in _WAVES else -1
    at += 24 if head.startswith(b"riff") else 8
    is_there = 12 < at <= len(head) - 16
    return at if is_there else 0, ">" if head.startswith(b"RIFX") else "<"


def is_of_ffmpeg(head: bytes) -> bool:
    """Return whether libsndfile is wrong about a recording that begins so.

    Of damaged ALAC in CAF it makes noise, and of MPEG audio in WAV it guesses the length.
    """
    return (head.startswith(b"caff") and head[28:32] == b"alac") or _coding(head) in _MPEG


def sniff(head: bytes) -> str | None:
    """Return the name of the format that begins so; None if it is unknown, as of raw samples.

    Args:
        head: The first bytes, `SNIFFED_BYTES` if there are so many.
    """
    for at, mark, name in _MARKS:
        if head[at : at + len(mark)] == mark and head.startswith(_NEEDED.get(name, b"")):
            return name
    if size := tag_bytes(head):
        behind = sniff(head[size:]) if size + 16 < len(head) else None
        return behind or "MP3"
    if len(head) > 2 * _TS_PACKET and set(head[: 2 * _TS_PACKET + 1 : _TS_PACKET]) == {0x47}:
        return "MPEG-TS"
    for name, length in (("MP3", frame_bytes(head)), ("AAC", adts_bytes(head))):
        if 0 < length <= len(head) and _repeats(head, length):
            return name
    return "AC-3" if head[:2] == b"\x0b\x77" and len(head) > 5 and head[5] >> 3 <= 16 else None


def _repeats(head: bytes, length: int) -> bool:
    """Return whether the second frame begins as the first one: two bytes alone may be chance."""
    second = head[length : length + 2]
    return len(second) < 2 or (second[0] == head[0] and second[1] & 0xFE == head[1] & 0xFE)
