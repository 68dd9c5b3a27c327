"""Pages of Ogg: of several tracks, damaged, lost, and doubled."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest

from ser_rt.audio.decoding.ogg import page_bytes
from tests.support.decoding import FRAME_S, Decoded, decode_file, decode_pipe
from tests.support.recordings import SECONDS, by_ffmpeg

WAYS = (decode_file, decode_pipe)
Decode = Callable[[bytes], Decoded]
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def sealed(page: bytes) -> bytes:
    """Give a page its check sum."""
    plain = page[:22] + bytes(4) + page[26:]
    mirrored = zlib.crc32(plain.translate(_MIRRORED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return page[:22] + int(f"{mirrored:032b}"[::-1], 2).to_bytes(4, "little") + page[26:]


def numbered(page: bytes, serial: int) -> bytes:
    return sealed(page[:14] + struct.pack("<I", serial) + page[18:])


def opus() -> list[bytes]:
    """The pages of a recording, a fifth of a second each."""
    data = by_ffmpeg("ogg", "libopus", 48_000, options={"page_duration": "200000"})
    found, at = list[bytes](), 0
    while size := page_bytes(data, at):
        found.append(data[at : at + size])
        at += size
    return found


def with_skeleton() -> list[bytes]:
    """The same behind a track that says what there is, and has ended before the sound begins."""
    body = b"fishead\0" + struct.pack("<HHqqqq", 3, 0, 0, 1000, 0, 1000) + bytes(20)
    head = struct.pack("<qIII", 0, 99, 0, 0) + bytes([1, len(body)]) + body
    last = struct.pack("<qIII", 0, 99, 1, 0) + bytes([1, 0])
    sound = opus()
    begin, end = sealed(b"OggS\0\x02" + head), sealed(b"OggS\0\x04" + last)
    return [begin, sound[0], end, *sound[1:]]


def two_tracks() -> list[bytes]:
    """Two tracks of sound; the second ends in the middle of the first."""
    first, second = opus(), [numbered(page, 7) for page in opus()]
    short = [*second[:8], sealed(second[8][:5] + b"\x04" + second[8][6:])]
    both = [page for pair in zip(first, short, strict=False) for page in pair]
    return [*both, *first[len(short) :]]


LAYOUTS = {"plain": opus, "skeleton": with_skeleton, "two tracks": two_tracks}


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_whole_is_whole_and_what_is_cut_or_damaged_is_told(
    decode: Decode, layout: str
) -> None:
    pages = LAYOUTS[layout]()
    whole = decode(b"".join(pages))
    codes = ["tracks"] if layout == "two tracks" else []
    assert (whole.codes, whole.problem) == (codes, "")
    assert whole.end_s == pytest.approx(SECONDS, abs=FRAME_S)
    cut = decode(b"".join(pages[:-5]))
    assert "truncated" in cut.codes or "truncated" in cut.problem
    hurt = [*pages[:-5], pages[-5][:-9] + bytes(9), *pages[-4:]]
    damaged = decode(b"".join(hurt))
    assert "damaged" in damaged.codes
    assert damaged.end_s == pytest.approx(SECONDS, abs=FRAME_S)


@pytest.mark.parametrize("decode", WAYS)
def test_pages_that_are_lost_or_come_twice_are_told(decode: Decode) -> None:
    pages = opus()
    lost = decode(b"".join([*pages[:10], *pages[12:]]))
    assert lost.codes == ["damaged"]
    assert lost.end_s == pytest.approx(SECONDS, abs=FRAME_S)
    doubled = decode(b"".join([*pages[:10], pages[9], *pages[10:]]))
    assert doubled.codes == ["gap", "damaged"]
    assert doubled.end_s == pytest.approx(SECONDS, abs=FRAME_S)
