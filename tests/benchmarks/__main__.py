"""`python -m tests.benchmarks [group …] [--scale 0.1] [--write]`: see docs/performance.md.

Groups: raw, way, timers, fairness, api, ingress, fanout, listening, webhooks, packages, wall,
memory, admin; all of them by default, in this order. One process, servers of its own, about twelve
minutes.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

import django
import psycopg
import redis

from tests.benchmarks.house import ROOT, House
from tests.benchmarks.report import Table, machine, write

GROUPS = (
    *("raw", "way", "timers", "fairness", "api", "ingress"),
    *("fanout", "listening", "webhooks", "packages", "wall", "memory", "admin"),
)
DOCUMENT = ROOT / "docs/performance.md"


def read(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure on this machine.")
    parser.add_argument("groups", nargs="*", metavar="group", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--scale", type=float, default=1.0, help="smaller numbers, shorter times")
    parser.add_argument("--write", action="store_true", help=f"also into {DOCUMENT.name}")
    given = parser.parse_args(arguments)
    unknown = set(given.groups) - set(GROUPS)
    if unknown:
        parser.error(f"unknown group: {', '.join(sorted(unknown))}")
    return given


def main() -> int:
    given = read()
    # So that the servers are stopped and the directory is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    facts = machine()
    with House() as house:
        os.environ.update(house.settings(), DJANGO_SETTINGS_MODULE="config.settings")
        django.setup()
        house.start()
        return run(house, [g for g in GROUPS if g in (given.groups or GROUPS)], facts, given)


def run(house: House, groups: list[str], facts: Table, given: argparse.Namespace) -> int:
    # Only now do the settings know where the servers are.
    from tests.benchmarks import (
        admin,
        api,
        fairness,
        fanout,
        ingress,
        listening,
        memory,
        packages,
        raw,
        timers,
        wall,
        way,
        webhooks,
    )

    celery: float | None = None
    texts = [facts.text()]
    say(texts[0])

    def measure_raw() -> list[Table]:
        nonlocal celery
        table, celery = raw.measure(house, given.scale)
        return [table]

    measures: dict[str, Callable[[], list[Table]]] = {
        "raw": measure_raw,
        "way": lambda: way.measure(house, given.scale, celery),
        "timers": lambda: timers.measure(house, given.scale),
        "fairness": lambda: fairness.measure(house, given.scale),
        "api": lambda: api.measure(house, given.scale),
        "ingress": lambda: ingress.measure(house, given.scale),
        "fanout": lambda: fanout.measure(house, given.scale),
        "listening": lambda: listening.measure(house, given.scale),
        "webhooks": lambda: webhooks.measure(house, given.scale),
        "packages": lambda: packages.measure(given.scale),
        "wall": lambda: wall.measure(given.scale),
        "memory": lambda: memory.measure(given.scale),
        "admin": lambda: admin.measure(house, given.scale),
    }
    failed = False
    for name in groups:
        began = time.monotonic()
        try:
            tables = measures[name]()
        except (RuntimeError, OSError, psycopg.Error, redis.RedisError) as problem:
            print(f"error: {name}: {problem}", file=sys.stderr, flush=True)
            failed = True
            house.clear()
            continue
        for table in tables:
            texts.append(table.text())
            say(texts[-1])
        print(f"({name}: {time.monotonic() - began:.0f} s)\n", file=sys.stderr, flush=True)
    if given.write and not failed:
        write(DOCUMENT, "\n".join(texts))
        say(f"written to {DOCUMENT.relative_to(ROOT)}")
    return int(failed)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
