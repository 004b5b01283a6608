"""What is printed, and what is put into the document: the same tables."""

from __future__ import annotations

import os
import platform
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from stack import postgres, valkey

BEGIN = "<!-- figures: written by `make bench ARGS=--write` -->"
END = "<!-- end of figures -->"


@dataclass(slots=True)
class Table:
    """A title, the names of the columns, rows of texts, and lines to say below them."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        assert len(cells) == len(self.columns), cells
        self.rows.append([str(cell) for cell in cells])

    def text(self) -> str:
        """A Markdown table that can be read as it is."""
        lines = [list(self.columns), *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]

        def row(cells: Iterable[str]) -> str:
            padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
            return f"| {' | '.join(padded)} |"

        rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
        body = "\n".join([row(lines[0]), rule, *map(row, lines[1:])])
        notes = "".join(f"\n{note}\n" for note in self.notes)
        return f"### {self.title}\n\n{body}\n{notes}"


def number(value: float) -> str:
    """Three figures that count: 12345 → 12,300; 0.1234 → 0.123."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.3g}"


def milliseconds(seconds: float | None) -> str:
    return "none" if seconds is None else number(seconds * 1000)


def machine() -> Table:
    """What a figure of this run hangs on besides the code."""
    table = Table("Machine", ["Fact", "Value"])
    table.add("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    cores = len(os.sched_getaffinity(0))
    table.add("processor", f"{cores} cores, {_processor_name()}")
    table.add("memory", f"{psutil.virtual_memory().total / 2**30:.1f} GiB")
    load = os.getloadavg()[0]
    table.add("load average before the run", f"{load:.2f}")
    table.add("system", f"{platform.system()} {platform.release()}")
    table.add("flush of 8 KiB to disk (fdatasync)", f"{milliseconds(_flush_s())} ms, median")
    table.add("Python", platform.python_version())
    table.add("PostgreSQL", f"{postgres.version()}, fsync and synchronous_commit on")
    server = subprocess.run([str(valkey.binary()), "--version"], capture_output=True, text=True)
    named = [word for word in server.stdout.split() if word.startswith("v=")]
    table.add("Valkey", f"{named[0].removeprefix('v=')}, append-only file, everysec")
    deno = subprocess.run([deno_path(), "--version"], capture_output=True, text=True)
    table.add("Deno", deno.stdout.split()[1])
    names = ("celery", "kombu", "redis", "psycopg", "Django", "granian")
    table.add("packages", ", ".join(f"{name} {version(name)}" for name in names))
    return table


def deno_path() -> str:
    return str(Path(sysconfig.get_path("scripts")) / "deno")


def _processor_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _flush_s(times: int = 200) -> float:
    with tempfile.TemporaryFile() as file:
        taken = []
        for _ in range(times):
            os.pwrite(file.fileno(), bytes(8192), 0)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2]


def write(path: Path, text: str) -> None:
    """Put the tables between the marks of the document; the prose around them stays."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no marks for the figures")
    path.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}")
