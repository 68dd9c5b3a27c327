from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.benchmarks.measure.capacity import CLOSE, search


@given(holds=st.integers(0, 5000), limit=st.integers(1, 4096))
def test_the_search_finds_what_a_machine_holds(holds: int, limit: int) -> None:
    found = search(holds.__ge__, holds.__ge__, limit)
    most = min(holds, limit)
    assert most - max(1, CLOSE * most) <= found.streams <= most
    assert found.failed_at is None or found.failed_at > holds


@pytest.mark.parametrize(("holds_long", "expected"), [(40, 38), (0, 0)])
def test_a_longer_run_has_the_last_word(holds_long: int, expected: int) -> None:
    found = search(lambda streams: streams <= 64, lambda streams: streams <= holds_long, 64)
    assert expected - 2 <= found.streams <= holds_long
