"""How many windows a call of each provider has."""

from __future__ import annotations

from pathlib import Path

import pytest

from ser_rt.bundle import Bundle
from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.graphs import graphs_of
from ser_rt.runtime.backends.providers import PROVIDERS


def test_calls_have_as_many_windows_as_suit_the_provider() -> None:
    assert {name: each.batch() for name, each in PROVIDERS.items()} == {
        **dict.fromkeys(("cpu", "openvino"), 1),
        **dict.fromkeys(("cuda", "tensorrt", "tensorrt-rtx", "webgpu", "auto"), 16),
    }
    assert PROVIDERS["cuda"].batch(64) == 64
    assert PROVIDERS["tensorrt"].batch(3) == 3
    for name in ("tensorrt", "tensorrt-rtx"):
        with pytest.raises(ConfigError, match=r"max_batch is 17, .* at most 16"):
            PROVIDERS[name].batch(17)


def test_the_largest_batch_is_compiled_for(tiny_bundle: Path) -> None:
    (graph,) = graphs_of(Bundle.load(tiny_bundle), None)
    assert graph.most[0] == PROVIDERS["tensorrt"].batch()
