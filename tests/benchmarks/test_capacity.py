from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity import CLOSE, search


@given(holds=st.integers(0, 5000), limit=st.integers(1, 4096))
def test_the_search_finds_what_a_machine_holds(holds: int, limit: int) -> None:
    found = search(lambda streams, _: streams <= holds, limit)
    most = min(holds, limit)
    assert most - max(1, CLOSE * most) <= found.streams <= most
    assert found.failed_at is None or found.failed_at > holds


@pytest.mark.parametrize(("holds_long", "expected"), [(40, 38), (0, 0)])
def test_a_longer_run_has_the_last_word(holds_long: int, expected: int) -> None:
    def passes(streams: int, confirm: bool) -> bool:  # noqa: FBT001 (as the search calls it)
        return streams <= (holds_long if confirm else 64)

    assert expected - 2 <= search(passes, 64).streams <= holds_long
