"""Each worker process looks after the packages of its own host."""

from __future__ import annotations

import os
from pathlib import Path

from tests.faults.fleet import Fleet
from tests.making import until
from workers.runtime.packages.store import Store


def host(directory: Path, *names: str) -> Store:
    """A host with installed sets that the database does not know."""
    store = Store(directory / "packages")
    for name in names:
        (store.path / name / "node_modules").mkdir(parents=True)
    return store


def test_workers_of_two_hosts_without_a_scheduler(fleet: Fleet, tmp_path: Path) -> None:
    """A set that another process of the host holds stays there, and goes elsewhere."""
    one = host(tmp_path / "one", "npm-used", "npm-old")
    other = host(tmp_path / "other", "npm-used", "npm-old")
    held = one.hold("npm-used")
    assert held is not None
    workers = [
        fleet.worker(HEADWATER_DATA=str(store.path.parent), PACKAGE_YOUNG_SECONDS="0")
        for store in (one, other)
    ]
    for worker in workers:
        worker.wait_ready()
    until(lambda: not (one.has("npm-old") or other.has("npm-old") or other.has("npm-used")))
    assert one.has("npm-used")
    os.close(held)
