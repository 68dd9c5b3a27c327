"""Half of a recording in front of a whole one, and behind one, as crashes and `cat` leave them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.decoding import Decoded, decode_file, decode_pipe
from tests.support.recordings import SECONDS, WRITERS, written

Decode = Callable[[bytes], Decoded]
both_ways = pytest.mark.parametrize("decode", [decode_file, decode_pipe])
NAMES = [name for name in WRITERS if name != "mpegts"]
"""All but a container of which no piece is known to be one."""


@both_ways
@pytest.mark.parametrize("name", NAMES)
def test_half_a_recording_behind_another_is_reported(decode: Decode, name: str) -> None:
    data = written(name)
    decoded = decode(data + data[: len(data) // 2])
    assert decoded.is_reported
    assert decoded.end_s > SECONDS - 0.1


@both_ways
@pytest.mark.parametrize("name", NAMES)
def test_half_a_recording_takes_nothing_of_the_one_behind_it(decode: Decode, name: str) -> None:
    data = written(name)
    half = data[: len(data) // 2]
    decoded = decode(half + data)
    assert decoded.is_reported
    assert decoded.end_s == pytest.approx(decode(half).end_s + SECONDS, abs=0.3)


@both_ways
@pytest.mark.parametrize("name", ["mp4 fragments", "webm live"])
def test_times_go_on_where_the_header_comes_again(decode: Decode, name: str) -> None:
    """Players write it anew for each piece; a recording of its own begins at zero."""
    data, mark = written(name), {"mp4 fragments": b"moof", "webm live": b"\x1f\x43\xb6\x75"}[name]
    before = 4 if name == "mp4 fragments" else 0
    begins = [at for at in range(len(data)) if data.startswith(mark, at)]
    head, middle = data[: begins[0] - before], begins[len(begins) // 2] - before
    decoded = decode(data[:middle] + head + data[middle:])
    assert decoded.end_s == pytest.approx(SECONDS, abs=0.15)
