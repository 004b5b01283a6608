"""Whether the workers and schedulers of this host consume: `python -m workers.health`.

For the health check of a container, a unit or a load balancer; one line for each process, exit
code 0 when all are well, 1 when one is not or there is none. It reads what the loops of those
processes wrote (`apps.runs.processes`), and looks whether they are still there. Without a database
nobody consumes: then all are unhealthy.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import psycopg
from django.conf import settings

from apps.runs import processes
from apps.runs.processes import OK, Seen

CONNECT_SECONDS = 3


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m workers.health", description=__doc__)
    parser.add_argument("name", nargs="?", help="one process by its name (PROCESS), instead of all")
    name: str | None = parser.parse_args(arguments).name
    try:
        found = read(settings.DATABASE_URL)
    except (psycopg.Error, OSError) as error:
        print(f"unhealthy: the database does not answer: {type(error).__name__}")
        return 1
    here = newest(found, socket.gethostname(), name)
    verdicts = [verdict(process, settings.SILENT_SECONDS) for process in here]
    for process, told in zip(here, verdicts, strict=True):
        print(f"{process.name}: {told}")
    if not here:
        print(f"unhealthy: no process {name or 'of this host'} has given a sign of life")
    return 0 if here and all(told.startswith(OK) for told in verdicts) else 1


def read(url: str) -> list[Seen]:
    """Raises psycopg.Error, OSError."""
    with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute(f"SET statement_timeout = '{CONNECT_SECONDS}s'")
        return processes.seen_of(connection.execute(processes.SEEN).fetchall())


def newest(found: list[Seen], host: str, name: str | None) -> list[Seen]:
    """Of each name on this host the one that was started last, in the order of their names; web
    processes answer by HTTP."""
    by_name = {p.name: p for p in sorted(found, key=lambda p: -p.age) if p.host == host}
    ours = [p for p in by_name.values() if p.kind != "web"]
    replaced = _replaced(ours)
    asked = [p for p in ours if p not in replaced and name in (None, p.name)]
    return sorted(asked, key=lambda p: p.name)


def _replaced(processes: list[Seen]) -> list[Seen]:
    """Without a name of its own a process goes by its number, and its successor by another: for
    each one that lives, the last of its kind that was gone before it came is missed no more."""
    replaced: list[Seen] = []
    unnamed = [p for p in processes if p.name == f"{p.kind}-{p.pid}"]
    gone = [p for p in unnamed if not _there(p)]
    for one in sorted((p for p in unnamed if _there(p)), key=lambda p: -p.age):
        before = [p for p in gone if p.kind == one.kind and p.ago > one.age and p not in replaced]
        replaced += sorted(before, key=lambda p: p.ago)[:1]
    return replaced


def _there(process: Seen) -> bool:
    return Path(f"/proc/{process.pid}").exists()


def verdict(process: Seen, silent_seconds: float) -> str:
    """`ok …`, or what is wrong."""
    if not _there(process):
        return f"unhealthy: process {process.pid} is gone"
    if not process.alive(silent_seconds):
        return f"unhealthy: silent for {process.ago:.0f} s"
    if process.state != OK:
        return f"unhealthy: {process.state}"
    return f"{OK}, seen {process.ago:.1f} s ago"


if __name__ == "__main__":
    sys.exit(main())
