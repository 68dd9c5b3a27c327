"""`BEGINS`: how recordings begin, clearly enough to be found among other bytes."""

from __future__ import annotations

import re

from ser_rt.audio.decoding.adts import adts_bytes
from ser_rt.audio.decoding.formats import SNIFFED_BYTES, sniff
from ser_rt.audio.decoding.mp3 import frame_bytes, tag_bytes
from ser_rt.audio.decoding.view import Bytes

BEGINS = re.compile(
    rb"RIFF.{4}(?:WAVE|AVI )|(?:RF64|BW64).{4}WAVE|RIFX.{4}WAVE|FORM.{4}AIF[FC]"
    rb"|OggS\0\x02\0{8}|fLaC[\0\x80]\0\0\x22|\x1aE\xdf\xa3.{4,60}?(?:webm|matroska)"
    rb"|\0\0\0.ftyp|caff\0\x01\0\0desc|\.snd\0\0..\0|riff\x2e\x91\xcf\x11|FLV\x01[\x01\x04\x05]\0{3}\x09"
    rb"|#!AMR(?:-WB)?\n|TTA1[\x01\x03]\0[\x01-\x08]\0|MAC .\x0f\0\0|wvpk.{4}.\x04.{6}\0{4}"
    rb"|0\x26\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel|NIST_1A\n|\.RMF\0\0\0[\x10-\x14]"
    rb"|Creative Voice File\x1a|nut/multimedia container\0",
    re.DOTALL,
)
"""First bytes of formats with a mark so long that no chance makes it: six bytes at least."""

LONGEST = 80
"""Bytes that a match may take."""

_BLOCK = 1 << 20
_CHAIN = 5
"""Frames in a row that no chance makes."""


def begins_behind(file: Bytes, at: int, end: int) -> int | None:
    """Return where another recording begins behind the sound of one; None if there is none.

    Args:
        file: The file.
        at: Offset behind the sound.
        end: Offset behind the last byte to look at.
    """
    data = file.at(at, max(0, min(_BLOCK + LONGEST, end - at)))
    name = sniff(data[:SNIFFED_BYTES])
    if name is not None and name != "WavPack" and tag_bytes(data) < end - at:
        return at  # each block of WavPack begins as the first does
    chain = frames(data)
    while at < end:
        found = BEGINS.search(data)
        if found is not None and (chain is None or found.start() < chain):
            return at + found.start()
        if chain is not None:
            return at + chain
        at += _BLOCK
        data = file.at(at, max(0, min(_BLOCK + LONGEST, end - at)))
    return None


def next_begin(file: Bytes, at: int, end: int) -> int | None:
    """Return where the next mark of a recording is between two offsets; None if there is none."""
    while at < end:
        found = BEGINS.search(file.at(at, min(_BLOCK + LONGEST, end - at)))
        if found is not None:
            return at + found.start()
        at += _BLOCK
    return None


def frames(data: bytes) -> int | None:
    """Return where frames of MP3 or AAC in a row begin; None if none do."""
    begin = data.find(b"\xff")
    while begin >= 0:
        for length in (frame_bytes, adts_bytes):
            at, count = begin, 0
            while count < _CHAIN and (size := length(data[at : at + 6])):
                at, count = at + size, count + 1
            if count == _CHAIN:
                return begin
        begin = data.find(b"\xff", begin + 1)
    return None
