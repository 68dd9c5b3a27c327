"""A manifest's entry about a graph with caches is read back, or refused by the bad key's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ser_rt import testing
from ser_rt.bundle import Bundle
from ser_rt.errors import BundleInvalidError
from ser_rt.streaming import Streaming
from ser_rt.testing.streaming import TINY_STREAMING

CACHE = {"name": "audio_tail", "shape": [1], "dtype": "float32"}
FILES: dict[str, Any] = {"stream.onnx": {}}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    entry = json.loads(json.dumps(TINY_STREAMING.to_dict()))
    assert entry["graph"] == "stream.onnx"
    found = Streaming.from_dict(entry, tmp_path, FILES)
    assert found.graph == tmp_path / "stream.onnx"
    assert found.caches == TINY_STREAMING.caches
    assert found.bytes_per_stream == 4 + 150 * 4 * 4 + 8


def test_fresh_streams_are_zeros() -> None:
    fresh = TINY_STREAMING.fresh(3)
    assert {name: (value.shape, value.dtype.name) for name, value in fresh.items()} == {
        "audio_tail": ((3, 1), "float32"),
        "pooled_frames": ((3, 150, 4), "float32"),
        "frames_done": ((3,), "int64"),
    }
    assert not any(value.any() for value in fresh.values())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"graph": "other.onnx"}, "graph"),
        ({"graph": None}, "graph"),
        ({"frame_samples": 0}, "frame_samples"),
        ({"frame_samples": True}, "frame_samples"),
        ({"hop_s": "0.5"}, "hop_s"),
        ({"hop_s": float("nan")}, "hop_s"),
        ({"hop_s": 2.0}, "max_hop_s"),
        ({"left_s": -1}, "left_s"),
        ({"pooled_s": None}, "pooled_s"),
        ({"caches": []}, "caches"),
        ({"caches": {}}, "caches"),
        ({"caches": [CACHE, CACHE]}, "share a name"),
        ({"caches": [CACHE | {"name": "audio"}]}, "audio"),
        ({"caches": [CACHE | {"dtype": "float64"}]}, "dtype"),
        ({"caches": [CACHE | {"shape": [0]}]}, "shape"),
        ({"caches": [CACHE | {"shape": [1 << 20, 1 << 20]}]}, "shape"),
        ({"caches": ["audio_tail"]}, "shape"),
        ({"bytes_per_stream": 1}, "bytes_per_stream"),
    ],
    ids=str,
)
def test_bad_values_are_refused(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Streaming.from_dict(TINY_STREAMING.to_dict() | change, tmp_path, FILES)


@pytest.mark.parametrize(("entry", "word"), [("yes", "yes"), ({}, "graph"), ([], "streaming")])
def test_a_bundle_with_a_bad_entry_does_not_load(tmp_path: Path, entry: Any, word: str) -> None:
    folder = testing.tiny_streaming_bundle(tmp_path / "bundle")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | {"streaming": entry}), encoding="utf-8")
    with pytest.raises(BundleInvalidError, match=word):
        Bundle.load(folder)
