"""Breaks training off as a kill would: at once, and without anything being put in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from ser_rt.training.checkpointing import Checkpoints


class _Killed(BaseException):
    pass


@contextmanager
def killed(when: Callable[[Any], bool]) -> Iterator[None]:
    """Kill training inside before the first update for whose state `when` is true."""

    def kill(_self: object, _args: Any, state: Any, *_: object, **__: Any) -> None:
        if when(state):
            raise _Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Checkpoints, "on_step_begin", kill, raising=False)
        with pytest.raises(_Killed):
            yield


def same_weights(first: Path, second: Path) -> bool:
    """Return whether two run folders hold the same network, bit for bit."""
    one, other = (load_file(folder / "model.safetensors") for folder in (first, second))
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)
