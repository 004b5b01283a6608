"""What the whole stack holds in memory when it is idle, as `make run` starts it.

PSS: a page that several processes share counts for each with its part, so that the sum is right.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from stack import options
from tests.benchmarks.house import ROOT, free_port, wait_for
from tests.benchmarks.report import Table

SETTLE_S = 8.0
OF_THE_BENCHMARKS = (
    "DATABASE_URL",
    "REDIS_URL",
    "BROKER_URL",
    "SECRET_KEY",
    "DJANGO_SETTINGS_MODULE",
)


def measure(scale: float) -> list[Table]:
    data = Path(tempfile.mkdtemp(prefix="hw-bench-"))
    environment = options.environment({"HEADWATER_DATA": str(data), "PORT": str(free_port())})
    for name in OF_THE_BENCHMARKS:
        environment.pop(name, None)
    log = data / "stack.log"
    with log.open("wb") as output:
        stack = subprocess.Popen(
            [sys.executable, "-m", "stack", "run", "--die-with-parent"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(lambda: _is_ready(stack, log), 120, "the stack is ready")
        time.sleep(max(2.0, SETTLE_S * scale))
        return [_table(psutil.Process(stack.pid))]
    finally:
        stack.terminate()
        stack.wait(40)
        shutil.rmtree(data, ignore_errors=True)


def _is_ready(stack: subprocess.Popen[bytes], log: Path) -> bool:
    text = log.read_text()
    if stack.poll() is not None:
        raise RuntimeError(f"the stack ended: {text[-2000:]}")
    return "ready: " in text


def _table(top: psutil.Process) -> Table:
    """One row for each program of the supervisor with all it started, and one for the stack's own
    two processes."""
    table = Table("Memory of the idle stack", ["Program", "Processes", "PSS MiB"])
    supervisor = top.children()[0]
    total = 0
    rows = [("stack (keeper and supervisor)", [top, supervisor])]
    for child in supervisor.children():
        rows.append((_name(child), [child, *child.children(recursive=True)]))
    for name, processes in rows:
        used = sum(process.memory_full_info().pss for process in processes)
        total += used
        table.add(name, str(len(processes)), f"{used / 2**20:.1f}")
    table.add("sum", str(sum(len(processes) for _, processes in rows)), f"{total / 2**20:.1f}")
    return table


def _name(process: psutil.Process) -> str:
    return str(process.environ().get("PROCESS", process.name()))
