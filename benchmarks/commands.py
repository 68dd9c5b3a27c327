"""The commands of ``ser-bench``: one function each, one entry each in `COMMANDS`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ser_rt.benchmarks.measure.agreement import compare
from ser_rt.benchmarks.measure.fleet import FleetMeasurement, need
from ser_rt.benchmarks.measure.fleet import table as fleet_table
from ser_rt.benchmarks.measure.machine import gpus
from ser_rt.benchmarks.measure.measuring import measure
from ser_rt.benchmarks.measure.streams import simulate
from ser_rt.benchmarks.measure.variants import of_bundles, of_peers
from ser_rt.benchmarks.peers.peer_table import check_names
from ser_rt.benchmarks.peers.roofline import gemm_variants
from ser_rt.benchmarks.quality.compare import compare as compare_quality
from ser_rt.benchmarks.report import results
from ser_rt.benchmarks.report.render import printed
from ser_rt.benchmarks.report.report import write_reports
from ser_rt.bundle import Bundle, find_bundle
from ser_rt.cli.process import tell_replaced
from ser_rt.errors import ProviderError
from ser_rt.files.outputs import STANDARD_OUTPUT
from ser_rt.tables import markdown_table

Report = Callable[[str], None]

RUNNERS = {"hop": "ser-rt", "window": "ser-rt model"}
"""Names in `runners.RUNNERS` of the parts that `ser-bench latency` measures."""


def latency(flags: argparse.Namespace, report: Report) -> int:
    """Measure the cost of a hop, or of a window."""
    variants = [
        variant
        for part in flags.part
        for variant in of_bundles(flags, RUNNERS[part], flags.provider)
    ]
    return finish(flags, [measure(flags, variants, report)])


def throughput(flags: argparse.Namespace, report: Report) -> int:
    """Measure windows per second in batches, and seconds of a file's audio per second."""
    found = []
    for size in flags.batch:
        found += of_bundles(flags, "ser-rt batch", flags.provider, batch=size)
    found += of_bundles(flags, "ser-rt file", flags.provider)
    return finish(flags, [measure(flags, found, report)])


def peers(flags: argparse.Namespace, report: Report, stream: str = "") -> int:
    """Measure the same network in other libraries, side by side; and a bundle as a stream."""
    variants = of_peers(flags, "cpu") + of_bundles(flags, "ser-rt", flags.provider)
    if stream:
        flags.bundle = [stream]
        variants += [v for v in of_bundles(flags, "ser-rt", flags.provider) if v.streaming]
    gemms = [] if flags.no_floor else gemm_variants(flags.threads)
    content = measure(flags, variants, report, run=flags.run, gemms=gemms)
    for row in content["rows"]:
        if row["variant"]["model"] == stream:
            row["agreement"] = None  # it has other weights
    return finish(flags, [content])


def full_size(flags: argparse.Namespace, report: Report) -> int:
    """Make the network of the README's comparison and its bundles, and measure them as `peers`."""
    from ser_rt.benchmarks.peers.full_size import make

    check_names(flags.peer)
    flags.run, flags.bundle, stream = make(flags.work, flags.scale, report)
    flags.command = "peers"
    return peers(flags, report, stream)


def gpu(flags: argparse.Namespace, report: Report) -> int:
    """Measure peers, hops and streams on this machine's GPU; write one dated file."""
    if not gpus():
        msg = "no NVIDIA GPU: nvidia-smi finds none; run this where there is one"
        raise ProviderError(msg)
    on_gpu = of_bundles(flags, "ser-rt", flags.provider)
    side_by_side = measure(flags, of_peers(flags, "cuda") + on_gpu, report)
    flags.find_max_streams, flags.streams = True, []
    streams = simulate(flags, of_bundles(flags, "ser-rt streams", flags.provider), report)
    flags.json = flags.json or _dated(side_by_side, side_by_side["machine"]["name"])
    return finish(flags, [side_by_side, streams])


def streams(flags: argparse.Namespace, report: Report) -> int:
    """Simulate live streams in real time."""
    variants = of_bundles(flags, "ser-rt streams", flags.provider)
    return finish(flags, [simulate(flags, variants, report)])


def agreement(flags: argparse.Namespace, report: Report) -> int:
    """Compare the probabilities of models."""
    return finish(flags, [compare(flags, report)])


def quality(flags: argparse.Namespace, report: Report) -> int:
    """Judge our models and others on the same clips; write one dated file."""
    found = compare_quality(flags, report)
    flags.json = flags.json or _dated(found, "quality")
    return finish(flags, [found])


def fleet(flags: argparse.Namespace, _: Report) -> int:
    """Print the cores, memory and network that numbers of streams need."""
    stream_mb = flags.stream_mb
    if flags.bundle and (streaming := Bundle.load(find_bundle(flags.bundle)).streaming):
        stream_mb += streaming.bytes_per_stream / 1e6
    measured = FleetMeasurement(
        flags.per_core, flags.process_mb, stream_mb, flags.upload, flags.download
    )
    needs = [need(measured, streams, flags.utilisation) for streams in flags.streams]
    print(markdown_table(fleet_table(needs, flags.price)))
    return 0


def report_on(flags: argparse.Namespace, report: Report) -> int:
    """Write results as tables or a page."""
    write_reports(flags, results.read(flags.results), report)
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace, Report], int]] = {
    "latency": latency,
    "throughput": throughput,
    "streams": streams,
    "peers": peers,
    "full-size": full_size,
    "gpu": gpu,
    "agreement": agreement,
    "quality": quality,
    "fleet": fleet,
    "report": report_on,
}


def _dated(document: dict[str, Any], name: str) -> Path:
    folder = Path("benchmarks") if Path("benchmarks").is_dir() else Path()
    return folder / "results" / f"{document['measured_at'][:10]}-{name}.json"


def finish(flags: argparse.Namespace, documents: list[dict[str, Any]]) -> int:
    """Print and write results; 1 when nothing could be measured."""
    if str(flags.json) != STANDARD_OUTPUT:
        print(*map(printed, documents), sep="\n\n")
    if flags.json is not None:
        tell_replaced(Path(flags.json))
    results.write(documents, flags.json)
    return 0 if any(row["status"] == "ok" for one in documents for row in one["rows"]) else 1
