from __future__ import annotations

from pathlib import Path

import pytest

from ser_rt.benchmarks.measure.variant import Variant
from ser_rt.benchmarks.peers.graph_operations import _operations, name_of, operations_of
from ser_rt.bundle import find_bundle
from ser_rt.errors import ConfigError

BASE = str(find_bundle("base"))
WIDTH, INNER, LAYERS, LEFT = 512, 2048, 6, 100
"""Of Whisper-base's encoder; frames to the left that each layer attends to."""


def layers(frames: float, attended: float) -> float:
    return LAYERS * (
        8 * frames * WIDTH**2 + 4 * frames * attended * WIDTH + 4 * frames * WIDTH * INNER
    )


@pytest.mark.parametrize(("hop_s", "frames"), [(0.1, 5), (0.25, 12.5)])
def test_a_cached_hop_is_its_frames_and_what_they_attend_to(hop_s: float, frames: float) -> None:
    found = operations_of(Variant("ser-rt", BASE, hop_s=hop_s, streaming=True))
    assert layers(frames, frames + LEFT) < found < 1.1 * layers(frames, frames + LEFT)


def test_a_window_is_all_its_frames_whatever_the_hop() -> None:
    variant = Variant("ser-rt", BASE, window_s=2.0, hop_s=0.1)
    assert layers(100, 100) < operations_of(variant) < 1.1 * layers(100, 100)


def test_features_that_windows_share_are_those_of_a_hop(two_part_bundle: Path) -> None:
    hop, window = (
        operations_of(Variant(runner, str(two_part_bundle)))
        for runner in ("ser-rt", "ser-rt model")
    )
    assert 0 < hop < window


def test_products_are_counted_by_their_shapes() -> None:
    def node(name: str, *given: list[int], result: list[int]) -> dict[str, object]:
        shapes = [{"float": shape} for shape in given]
        return {"op_name": name, "input_type_shape": shapes, "output_type_shape": [{"x": result}]}

    assert _operations(node("MatMul", [2, 3, 5], [5, 7], result=[2, 3, 7])) == 2 * 2 * 3 * 7 * 5
    assert _operations(node("Gemm", [5, 3], [5, 7], [7], result=[3, 7])) == 2 * 3 * 7 * 5
    assert _operations(node("Conv", [1, 8, 9], [4, 2, 3], result=[1, 4, 7])) == 2 * 4 * 7 * 2 * 3
    assert _operations(node("Add", [1], [1], result=[1])) == 0
    with pytest.raises(ConfigError, match="Einsum"):
        _operations(node("Einsum", [1], result=[1]))


def test_the_work_of_rows_has_names() -> None:
    assert name_of(Variant("ser-rt", "a/base", "int8", streaming=True)) == (
        "base int8 streaming, hop 0.5 s"
    )
    assert name_of(Variant("ser-rt model", "a/base", "int8")) == "base int8, window 3 s"
