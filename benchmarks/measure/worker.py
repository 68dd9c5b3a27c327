"""A process that holds one variant's model and runs it on request: `python -m ....worker JSON`.

Each variant has a process of its own, so that their threads and memory are apart.
It reads one JSON object a line from standard input, and writes one to standard output for each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ser_rt.benchmarks.measure.meters import energy_j, peak_memory_bytes

if TYPE_CHECKING:
    from ser_rt.benchmarks.measure.steps import Runner

REST_S = 0.5
"""Longest wait for a model's threads to stop spinning before another's turn."""


def measured(runner: Runner, order: dict[str, Any]) -> dict[str, Any]:
    """Do a step; return it with the processor time, wall time and energy it took."""
    energy, cpu_s, wall_s = energy_j(), time.process_time(), time.perf_counter()
    step = runner.step(**order)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    after = energy_j()
    spent_j = after - energy if after is not None and energy is not None else None
    return step._asdict() | {"wall_s": wall_s, "cpu_s": cpu_s, "energy_j": spent_j}


def rest() -> None:
    """Wait until this process takes no processor time: idle threads of some libraries spin."""
    until = time.perf_counter() + REST_S
    while time.perf_counter() < until:
        before = time.process_time()
        time.sleep(0.01)
        if time.process_time() - before < 0.001:
            return


def pin(cores: int) -> None:
    """Keep this process on some cores, where the system can; 0 leaves it free."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


def work(order: dict[str, Any], respond: Callable[[dict[str, Any]], None]) -> None:
    """Load the variant, report that, and run a turn for each line of standard input."""
    pin(order["cores"])  # before numpy counts the cores
    from ser_rt.benchmarks.measure.runners import make_runner
    from ser_rt.benchmarks.measure.variant import Variant

    runner = make_runner(Variant(**order["variant"]), order["audio"])
    runner.step(**order["first"])
    cold_start_s = time.monotonic() - order["spawned_at"]
    rest()
    respond({"cold_start_s": cold_start_s, "peak_bytes": peak_memory_bytes()})
    for line in sys.stdin:
        turn = json.loads(line)
        steps = [measured(runner, turn["order"]) for _ in range(turn["steps"])]
        rest()
        respond({"steps": steps, "peak_bytes": peak_memory_bytes()})


def main() -> int:
    """Run the worker; a failure is one JSON object too."""
    # Libraries may print to standard output; the responses have a channel of their own.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def respond(value: dict[str, Any]) -> None:
        channel.write(json.dumps(value) + "\n")
        channel.flush()

    try:
        work(json.loads(sys.argv[1]), respond)
    except Exception as error:  # noqa: BLE001 (whatever a library raises becomes a row of the table)
        respond({"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
