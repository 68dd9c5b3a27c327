"""Waits grow to a limit, and no two clients wait equally long."""

from __future__ import annotations

from itertools import islice

import pytest

from ser_rt.audio.retry import backoff


@pytest.mark.parametrize(("drawn", "share"), [(0.0, 0.5), (1.0, 1.0)])
def test_waits_grow_to_a_limit(drawn: float, share: float) -> None:
    waits = islice(backoff(0.5, 3.0, draw=lambda: drawn), 5)
    assert list(waits) == [share * wait_s for wait_s in (0.5, 1.0, 2.0, 3.0, 3.0)]


def test_waits_are_drawn() -> None:
    firsts = {next(backoff(1.0, 10.0)) for _ in range(20)}
    assert len(firsts) > 10
    assert all(0.5 <= wait_s <= 1.0 for wait_s in firsts)
