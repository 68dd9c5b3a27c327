"""The variants that the flags select."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product

from ser_rt.benchmarks.measure.variant import Variant
from ser_rt.benchmarks.peers.peer_table import chosen
from ser_rt.bundle import DEFAULT_BUNDLE, Bundle, find_bundle
from ser_rt.runtime.backends.providers import ProviderName

STREAMS = ("ser-rt", "ser-rt file", "ser-rt streams")
"""Runners of streams: a bundle that has caches can do them with and without."""


def of_bundles(
    flags: argparse.Namespace, runner: str, providers: Sequence[ProviderName], batch: int = 1
) -> list[Variant]:
    """Return a variant for each combination of bundle, provider, threads, window and hop.

    Streams of a bundle that has caches are measured in both forms, in the same run.
    """
    bundles = [Bundle.load(find_bundle(name)) for name in flags.bundle or [DEFAULT_BUNDLE]]
    return [
        Variant(
            runner,
            str(bundle.folder),
            precision=bundle.precision,
            device=provider,
            threads=threads,
            window_s=window_s,
            hop_s=hop_s,
            chunk_s=flags.chunk,
            batch=batch,
            streaming=form == "streaming",
            label=" ".join(dict.fromkeys((runner, bundle.name, bundle.precision, form))).strip(),
        )
        for bundle, provider, threads, window_s, hop_s in product(
            bundles, providers, flags.threads, flags.window, flags.hop
        )
        for form in _forms(bundle, runner)
    ]


def _forms(bundle: Bundle, runner: str) -> tuple[str, ...]:
    has_both = bundle.streaming is not None and runner in STREAMS
    return ("windowed", "streaming") if has_both else ("",)


def of_peers(flags: argparse.Namespace, device: ProviderName) -> list[Variant]:
    """Return a variant for each peer, and for those that run bundles, for each that suits."""
    bundles = [Bundle.load(find_bundle(name)) for name in flags.bundle or []]
    return [
        Variant(
            peer.runner,
            str(model),
            precision=precision,
            device=where,
            threads=threads,
            window_s=window_s,
            hop_s=hop_s,
            label=f"{peer.runner} {precision}" if peer.names_precision else peer.runner,
            unfit=unfit,
        )
        for peer, model, precision, where, unfit in chosen(flags.peer, flags.run, bundles, device)
        for threads, window_s, hop_s in product(flags.threads, flags.window, flags.hop)
    ]
