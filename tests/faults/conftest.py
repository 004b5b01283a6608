"""One durable pair of servers for all tests of this folder; processes and rows anew for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet, Servers
from tests.faults.gate import Gate
from tests.making import World


@pytest.fixture(scope="session")
def fault_servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.close()


@contextmanager
def a_fleet(servers: Servers, directory: Path) -> Iterator[Fleet]:
    """No process yet, an empty world, empty Redis."""
    servers.start()
    world = World(servers.postgres.url)
    made = Fleet(servers, world, directory)
    with made.redis() as client:
        client.config_set("maxmemory", "0")
        client.flushall()
    world.begin()
    yield made
    made.end()
    servers.start()
    world.close()
    world.clear()
    world.close()


@pytest.fixture
def fleet(fault_servers: Servers, tmp_path: Path) -> Iterator[Fleet]:
    with a_fleet(fault_servers, tmp_path) as made:
        yield made


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.close()
