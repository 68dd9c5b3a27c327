"""Streams over many machines: a Ray Serve application that speaks the protocol of ``ser-serve``.

    serve run ser_rt.cluster:app model=compact max_listeners=8

Stream replicas hold the WebSockets and the state of their streams; model replicas classify windows
for all of them, in batches. `app` is imported when it is used, so that the command line
works without Ray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ser_rt.cluster.application import app

__all__ = ["app"]


def __getattr__(name: str) -> object:
    if name == "app":
        from ser_rt.cluster.application import app

        return app
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
