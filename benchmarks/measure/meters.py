"""Meters of a process: energy where the processor counts it, and peak memory."""

from __future__ import annotations

import os
import re
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


def counters() -> list[Path]:
    """Return the files in which the processor's packages count the energy they took."""
    packages = sorted(POWERCAP.glob("intel-rapl:[0-9]*/energy_uj"))
    return [p for p in packages if p.parent.name.count(":") == 1 and os.access(p, os.R_OK)]


def energy_source() -> str:
    """Return what measures energy here, or why nothing does."""
    if counters():
        return "RAPL, whole processor packages"
    if list(POWERCAP.glob("intel-rapl:*")):
        return "not available: only root may read RAPL's counters"
    return "not available: this system has no RAPL counters"


def energy_j() -> float | None:
    """Return the energy in J that the processor took since some point, if it is counted."""
    found = counters()
    try:
        return sum(int(path.read_text()) for path in found) / 1e6 if found else None
    except (OSError, ValueError):
        return None


def peak_memory_bytes() -> int:
    """Return the most resident memory that this process ever had.

    Not `ru_maxrss` on Linux: a child inherits its parent's.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return 1024 * int(found[1])
    import psutil

    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):
        return int(info.peak_wset)
    import resource

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
