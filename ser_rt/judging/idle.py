"""`idle_rules`: what flags of ``ser-evaluate`` need to have an effect."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from ser_rt.cli.idle import stream_rules

_OF_RUN = (
    "model_path",
    "provider",
    "batch_size",
    "sounds",
    "no_stress",
    "trim_silence",
    "same_labels",
)


def idle_rules(options: argparse.Namespace) -> Iterator[tuple[object, str, str]]:
    """Yield what each flag needs, as `ser_rt.cli.idle.refuse_idle` takes it."""
    for dest in _OF_RUN:
        yield not options.compare, dest, "does nothing with --compare: it reads evaluations"
    for dest in ("batch_size", "trim_silence"):
        yield not options.streams, dest, "does nothing with --streams: they come as they are"
    for dest in ("provider", "streaming"):
        yield not options.hosted, dest, "does nothing with --hosted: transformers runs it"
    if options.streams:
        yield from made_rules(options)
        yield (
            not options.zed,
            "same_labels",
            "does nothing with --zed: its labels are fixed",
        )
        yield from stream_rules(options)


def made_rules(options: argparse.Namespace) -> Iterator[tuple[object, str, str]]:
    """Yield what flags of streams that are made of clips need, also those of ``ser-tune``."""
    yield options.noise, "snr", "needs --noise: it is how far the noise is below the speech"
