"""Ten minutes on a GPU: `python -m benchmarks.gpu.session`.

Everything that must be seen on a GPU, most important first: agreement with the CPU, cost of a hop,
number of streams, other libraries, training. Each step has a process and a
time limit of its own and writes its result at once, so a failure costs itself alone, and a session
that was cut off goes on where it was. `--pack` writes what a machine without a network needs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ser_rt.benchmarks.gpu.steps import SCALES, STEPS, Context
from ser_rt.benchmarks.report import results
from ser_rt.cli.arguments import Parser, positive_int
from ser_rt.cli.process import run_command
from ser_rt.errors import ConfigError
from ser_rt.files.writing import write_json

LEAST_S = 5.0
"""A step is not begun with less time than this."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(prog="python -m benchmarks.gpu.session", description=__doc__.splitlines()[0])
    parser.set_defaults(command="gpu-session")
    add = parser.add_argument
    add("--steps", nargs="+", choices=list(STEPS), default=list(STEPS), help="only these")
    add("--minutes", type=positive_int, default=10, help="for all of it (%(default)s)")
    add("--work", type=Path, default=Path("gpu-session"), help="folder of all that is written")
    add("--json", type=Path, metavar="FILE", help="default: RESULT.json in --work")
    add("--machine", metavar="NAME", help="name of this machine in the result")
    add("--commit", metavar="ID", help="of the source, where it is no checkout")
    add("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: to try the session out")
    add("--scale", choices=list(SCALES), default="full", help="tiny: to try the session out")
    add("--step", choices=list(STEPS), help="do one step in this process, and print its result")
    add("--pack", type=Path, metavar="FOLDER", help="write an offline kit, and do nothing else")
    add("--wheels", type=Path, metavar="FOLDER", help="of wheels that the kit takes along")
    return parser.parse_args(argv)


def run_session(flags: argparse.Namespace) -> int:
    """Do the steps; 0 when every one has a result."""
    context = context_of(flags)
    ends = time.monotonic() + 60 * flags.minutes
    for name in flags.steps:
        if _is_done(context, name):
            print(f"{name}: done before", file=sys.stderr)
            continue
        limit_s = min(STEPS[name].limit_s, ends - time.monotonic())
        if limit_s < LEAST_S:
            print(f"{name}: no time is left", file=sys.stderr)
            continue
        outcome = _run_step(flags, context, name, limit_s)
        write_json(outcome, context.result_path(name))
        how = outcome["problem"] or "ok"
        print(f"{name}: {how} ({outcome['took_s']:.1f} s)", file=sys.stderr, flush=True)
    found = document(flags, context)
    write_json(found, flags.json or context.work / "RESULT.json")
    return 0 if all(found["steps"].get(name, {}).get("ok") for name in flags.steps) else 1


def document(flags: argparse.Namespace, context: Context) -> dict[str, Any]:
    """Return the result of a session: what each step found."""
    steps = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in STEPS
        if (path := context.result_path(name)).is_file()
    }
    found = results.document(flags, rows=[], steps=steps)
    if flags.commit:
        found["commit"] = flags.commit
    return found


def run_step(flags: argparse.Namespace) -> int:
    """Do one step, and print what it found as the last line."""
    found = STEPS[flags.step].do(context_of(flags))
    print(json.dumps(found, default=str))
    return 0


def context_of(flags: argparse.Namespace) -> Context:
    """Return where and how large the session is."""
    return Context(flags.work.resolve(), flags.device, SCALES[flags.scale])


def _is_done(context: Context, name: str) -> bool:
    path = context.result_path(name)
    return path.is_file() and bool(json.loads(path.read_text(encoding="utf-8"))["ok"])


def _run_step(
    flags: argparse.Namespace, context: Context, name: str, limit_s: float
) -> dict[str, Any]:
    """Run a step in a process of its own; return its result, or what went wrong."""
    log = context.work / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    context.result_path(name).parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "ser_rt.benchmarks.gpu.session", "--step", name]
    command += ["--work", str(context.work), "--device", flags.device, "--scale", flags.scale]
    began = time.perf_counter()
    problem, found = "", {}
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=context.environment(),
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            problem = f"it was stopped after {limit_s:.0f} s"
            _kill(process)
        else:
            if process.returncode:
                problem = _last_words(log) or f"it ended with {process.returncode}"
            else:
                found = json.loads(out.splitlines()[-1])
    took_s = round(time.perf_counter() - began, 1)
    return {"ok": not problem, "problem": problem, "took_s": took_s, **found}


def _kill(process: subprocess.Popen[str]) -> None:
    """End a step and all that it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:400] if lines else ""


def _run(flags: argparse.Namespace) -> int:
    if flags.pack:
        from ser_rt.benchmarks.gpu.kit import pack

        print(*pack(flags.pack, flags.wheels), sep="\n")
        return 0
    if flags.wheels:
        msg = "--wheels needs --pack"
        raise ConfigError(msg)
    if flags.scale == "full" and flags.device == "cpu":
        msg = "--device cpu is to try the session out: give it --scale tiny"
        raise ConfigError(msg)
    return run_step(flags) if flags.step else run_session(flags)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when all was done, 1 on an error, 2 on a wrong command line."""
    return run_command("benchmarks.gpu.session", lambda: _run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
