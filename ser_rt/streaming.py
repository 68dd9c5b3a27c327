"""`Streaming`, the part of a manifest about a graph with caches, to which each hop is given once.

The graph takes the `audio` of a hop, float32 ``[batch, hop_samples]``, and every cache ``x``; it
returns the outputs of the whole graph and every ``x_next``, which is the ``x`` of the next hop.
Batch comes first everywhere, so that streams of any age share a call. Zeros are a fresh stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_rt.errors import ConfigError

if TYPE_CHECKING:
    import numpy.typing as npt

AUDIO = "audio"
"""Name of the graph's input that is no cache."""

_ROUNDING = 1e-6
POOLED = {"pooled_frames": 0.0, "pooled_scores": -1e4}
"""Caches of what an answer is pooled over, and what they hold where there is nothing: a frame whose
score has no share in the softmax, also in half precision."""
DTYPES = {"float32": 4, "float16": 2, "int64": 8}
"""Types of caches, with the bytes of one number."""
_LARGEST = 1 << 31
_SECONDS = {
    "hop_s": (1e-3, 60.0),
    "min_hop_s": (1e-3, 60.0),
    "max_hop_s": (1e-3, 60.0),
    "left_s": (0.0, 3600.0),
    "pooled_s": (1e-3, 3600.0),
    "delay_s": (0.0, 60.0),
}


@dataclass(frozen=True)
class Cache:
    """One cache of a stream: ``name`` goes into the graph, `next_name` comes out."""

    name: str
    shape: tuple[int, ...]
    """Of one stream; in the graph the batch comes before it."""
    dtype: str

    @property
    def next_name(self) -> str:
        """Name of the graph's output that holds it for the next hop."""
        return f"{self.name}_next"

    @property
    def bytes(self) -> int:
        """Memory of one stream."""
        return prod(self.shape) * DTYPES[self.dtype]

    def zeros(self, batch: int) -> npt.NDArray[Any]:
        """Return the cache of fresh streams, ``[batch, *shape]``."""
        import numpy as np  # command lines start without it

        return np.zeros((batch, *self.shape), self.dtype)


@dataclass(frozen=True)
class Streaming:
    """What a graph with caches keeps, and the hops that it takes.

    Attributes:
        graph: the graph's file.
        frame_samples: the hops of the graph are multiples of this.
        hop_s: default hop.
        min_hop_s: shortest hop that the network was trained for.
        max_hop_s: longest one.
        left_s: audio before a hop that each layer attends to.
        pooled_s: latest audio that an answer is pooled over.
        delay_s: by how much the network's frames are behind the audio that it is given.
        caches: what a stream keeps from hop to hop, in the order of the graph's inputs.
        is_required: whether a stream that it does not fit is an error, or classifies whole windows.
    """

    graph: Path
    frame_samples: int
    hop_s: float
    min_hop_s: float
    max_hop_s: float
    left_s: float
    pooled_s: float
    delay_s: float
    caches: tuple[Cache, ...]
    is_required: bool = False

    @property
    def bytes_per_stream(self) -> int:
        """Memory of one stream's caches."""
        return sum(cache.bytes for cache in self.caches)

    def fresh(self, batch: int) -> dict[str, npt.NDArray[Any]]:
        """Return the caches of fresh streams by name, ``[batch, *shape]`` each."""
        return {cache.name: cache.zeros(batch) for cache in self.caches}

    def nothing_pooled(self) -> dict[str, npt.NDArray[Any]]:
        """Return caches with which the next answer of a stream is over its hop alone.

        A network whose pooling has no scores has none: its answers are over `pooled_s`.
        """
        found = {
            one.name: one.zeros(1) + POOLED[one.name] for one in self.caches if one.name in POOLED
        }
        return found if found.keys() == POOLED.keys() else {}

    def misfit(self, window_s: float, hop_s: float) -> str | None:
        """Return why no stream can have a window and a hop of so many seconds; None if one can.

        Raises:
            ConfigError: None can, and streaming is required.
        """
        if not self.min_hop_s <= hop_s <= self.max_hop_s:
            why = f"hop must be within {self.min_hop_s:g} and {self.max_hop_s:g} s, not {hop_s:g} s"
        elif abs(window_s - self.pooled_s) > _ROUNDING:
            why = f"window must be {self.pooled_s:g} s, not {window_s:g} s"
        else:
            return None
        why += ", where this network streams"
        if self.is_required:
            msg = f"{why}; without required streaming it classifies whole windows"
            raise ConfigError(msg)
        return why

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of a manifest."""
        own = {"graph": self.graph.name, "bytes_per_stream": self.bytes_per_stream}
        caches = [asdict(cache) | {"shape": list(cache.shape)} for cache in self.caches]
        entry = asdict(self) | own | {"caches": caches}
        del entry["is_required"]
        return entry

    @classmethod
    def from_dict(cls, entry: object, folder: Path, files: Mapping[str, Any]) -> Streaming:
        """Read the entry of a manifest.

        Args:
            entry: what `to_dict` returned.
            folder: the bundle's.
            files: names of its files.

        Raises:
            TypeError: the entry is no JSON object.
            ValueError: a key is missing or has a bad value.
        """
        if not isinstance(entry, dict):
            msg = f"streaming is {entry!r}, no JSON object"
            raise TypeError(msg)
        name = entry.get("graph")
        if not isinstance(name, str) or name not in files:
            msg = f"'graph' of streaming is {name!r}, no file of it"
            raise ValueError(msg)
        seconds: dict[str, Any] = {key: _seconds(entry, key) for key in _SECONDS}
        frame = entry.get("frame_samples")
        if type(frame) is not int or not 1 <= frame <= _LARGEST:
            msg = f"'frame_samples' of streaming is {frame!r}, not 1 or more"
            raise ValueError(msg)
        if not seconds["min_hop_s"] <= seconds["hop_s"] <= seconds["max_hop_s"]:
            msg = "'hop_s' of streaming is not between 'min_hop_s' and 'max_hop_s'"
            raise ValueError(msg)
        caches = tuple(_cache(item) for item in _items(entry))
        if len({cache.name for cache in caches} | {AUDIO}) != len(caches) + 1:
            msg = f"caches of streaming share a name, or one is called {AUDIO!r}"
            raise ValueError(msg)
        found = cls(graph=folder / name, frame_samples=frame, caches=caches, **seconds)
        if entry.get("bytes_per_stream") != found.bytes_per_stream:
            msg = (
                f"'bytes_per_stream' of streaming is {entry.get('bytes_per_stream')!r}, "
                f"but its caches take {found.bytes_per_stream}"
            )
            raise ValueError(msg)
        return found


def _seconds(entry: Mapping[str, Any], key: str) -> float:
    value: Any = entry.get(key)
    least, most = _SECONDS[key]
    if type(value) not in {int, float} or not least <= value <= most:
        msg = f"{key!r} of streaming is {value!r}, not {least:g} to {most:g}"
        raise ValueError(msg)
    return float(value)


def _items(entry: Mapping[str, Any]) -> list[Any]:
    items = entry.get("caches")
    if not isinstance(items, list) or not items:
        msg = f"'caches' of streaming is {items!r}, no list of caches"
        raise ValueError(msg)
    return items


def _cache(item: object) -> Cache:
    match item:
        case {"name": str(name), "shape": list(shape), "dtype": str(dtype)}:
            sizes = all(type(size) is int and 1 <= size <= _LARGEST for size in shape)
            if name and dtype in DTYPES and sizes and prod(shape) <= _LARGEST:
                return Cache(name, tuple(shape), dtype)
    msg = f"a cache of streaming is {item!r}: it needs name, shape and dtype ({', '.join(DTYPES)})"
    raise ValueError(msg)
