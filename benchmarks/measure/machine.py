"""Where and with what a result was measured: it is stamped on every one."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from ser_rt.benchmarks.measure.meters import energy_source
from ser_rt.files.provenance import git_state, versions

PACKAGES = (
    "ser-rt",
    "numpy",
    "soxr",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "tensorrt",
    "torch",
    "transformers",
    "optimum",
    "optimum-onnx",
    "audonnx",
    "librosa",
    "opensmile",
    "scikit-learn",
)
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def stamp() -> dict[str, Any]:
    """Return machine, versions, commit and time, for the head of a result."""
    return {
        "machine": describe_machine(),
        "versions": versions(PACKAGES),
        "commit": git_state(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe_machine() -> dict[str, Any]:
    """Describe processor, memory, system and graphics card; nothing names its owner."""
    name, flags = _processor()
    return {
        "cpu": name,
        "instructions": [flag for flag in INSTRUCTIONS if flag in flags],
        "cores": usable_cores(),
        "cores_physical": psutil.cpu_count(logical=False),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "gpus": gpus(),
        "energy": energy_source(),
        "load_before": round(psutil.getloadavg()[0], 2),
    }


def usable_cores() -> int:
    """Count the logical cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> list[str]:
    """Name the NVIDIA cards with driver and memory; empty without any."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines() if done.returncode == 0 else []


def short_name(machine: dict[str, Any]) -> str:
    """Return a name for files: ``amd-epyc-2-cores``."""
    cards = [card.split(",")[0] for card in machine["gpus"][:1]]
    text = " ".join([machine["cpu"], f"{machine['cores']} cores", *cards])
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def line(document: dict[str, Any]) -> str:
    """Return a result's stamp as one line of text.

    The commit of a source with changes is left out: it names another source.
    """
    machine = document["machine"]
    gpu = [card.split(",")[0] for card in machine["gpus"]]
    names = ("python", "ser-rt", "onnxruntime", "onnxruntime-gpu", "openvino", "torch")
    found = [
        f"{name} {document['versions'][name]}" for name in names if name in document["versions"]
    ]
    facts = [f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']:g} GB", *gpu]
    facts += [machine["system"], *found]
    if document["commit"] and not document["commit"].endswith("-dirty"):
        facts.append(f"commit {document['commit']}")
    return "; ".join([*facts, document["measured_at"][:10]])


def _processor() -> tuple[str, set[str]]:
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    name = re.search(r"model name\s*: (.+)", text)
    flags = re.search(r"flags\s*: (.+)", text)
    fallback = platform.processor() or platform.machine()
    return name[1].strip() if name else fallback, set(flags[1].split()) if flags else set()
