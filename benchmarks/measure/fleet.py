"""`ser-bench fleet`: cores, memory and network of many streams, from what one core does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ser_rt.tables import Table

HOURS = 730
"""Of a month."""


@dataclass(frozen=True)
class FleetMeasurement:
    """Measurements of one machine.

    Attributes:
        streams_per_core: That keep to the latency on one core, all of it.
        process_mb: Memory of a process with the model loaded, in MB; a process has a core.
        stream_mb: Memory of each stream, in MB, its caches included.
        upload_kb_s: What a client sends, in kB a second: 32 is 16-bit PCM at 16 kHz.
        download_kb_s: What it is sent, in kB a second.
    """

    streams_per_core: float
    process_mb: float
    stream_mb: float
    upload_kb_s: float = 32.0
    download_kb_s: float = 1.0


@dataclass(frozen=True)
class Need:
    """Cores, memory and network of a number of streams.

    Attributes:
        streams: How many.
        cores: Whole ones.
        memory_gb: Of all processes and streams.
        upload_mbit_s: Into the machines.
        download_mbit_s: Out of them.
    """

    streams: int
    cores: int
    memory_gb: float
    upload_mbit_s: float
    download_mbit_s: float

    def core_hours(self) -> int:
        """Return core hours of a month in which the streams never end."""
        return self.cores * HOURS


def need(measured: FleetMeasurement, streams: int, utilisation: float) -> Need:
    """Return what so many streams need where each core is filled to ``utilisation``.

    A core holds whole streams; where it does not hold one, streams are shared out over cores.
    """
    held = measured.streams_per_core * utilisation + 1e-9
    cores = math.ceil(streams / (math.floor(held) if held >= 1 else held))
    return Need(
        streams=streams,
        cores=cores,
        memory_gb=(cores * measured.process_mb + streams * measured.stream_mb) / 1e3,
        upload_mbit_s=streams * measured.upload_kb_s * 8 / 1e3,
        download_mbit_s=streams * measured.download_kb_s * 8 / 1e3,
    )


def table(needs: Sequence[Need], price: float | None) -> Table:
    """Lay needs out, one row a number of streams; ``price`` is of a core hour."""
    head = ["streams", "cores", "memory", "in", "out", "core hours a month"]
    rows = [
        [
            f"{one.streams:,}",
            f"{one.cores:,}",
            f"{one.memory_gb:,.1f} GB",
            f"{one.upload_mbit_s:,.0f} Mbit/s",
            f"{one.download_mbit_s:,.0f} Mbit/s",
            f"{one.core_hours():,}",
        ]
        for one in needs
    ]
    if price is not None:
        head.append("cost a month")
        for row, one in zip(rows, needs, strict=True):
            row.append(f"{one.core_hours() * price:,.0f}")
    return Table("", tuple(head), tuple(map(tuple, rows)))
