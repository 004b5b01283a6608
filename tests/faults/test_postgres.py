"""PostgreSQL is killed, or its answers get lost (fault matrix 6, 16)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo

from stack.postgres import Postgres
from tests.faults.fleet import LEASE_SECONDS, Fleet, usage
from tests.faults.gate import Gate
from tests.faults.proxy import Proxy
from tests.making import until


def test_killed_and_started_again_at_once_under_load(fleet: Fleet) -> None:
    """16: everybody comes back unaided; nothing is lost, nothing twice."""
    fleet.scheduler()
    for worker in [fleet.worker(), fleet.worker()]:
        worker.wait_ready()
    world = fleet.world
    sources = world.sources(world.component(), 12, interval=1)
    until(lambda: all(world.counts(source) for source in sources))
    for _ in range(2):
        time.sleep(1)
        fleet.servers.postgres.kill()
        world.close()
        fleet.servers.postgres.start()
        fleet.more_runs(sources)
    fleet.stop_timers()
    fleet.settle()
    for source in sources:
        assert fleet.assert_whole(source) > 2
        fleet.assert_every_slot(source)


@pytest.fixture
def proxy(fleet: Fleet) -> Iterator[Proxy]:
    server = fleet.servers.postgres.server
    assert isinstance(server, Postgres)
    made = Proxy(server.address)
    yield made
    made.close()


def through(fleet: Fleet, proxy: Proxy) -> str:
    """The address of the database behind the proxy."""
    return make_conninfo(fleet.servers.postgres.url, host="127.0.0.1", port=str(proxy.port))


def test_the_answer_to_commit_is_lost(fleet: Fleet, proxy: Proxy) -> None:
    """6: the worker cannot know, does it again, and nothing is there twice."""
    world = fleet.world
    sources = world.sources(world.component(), 3)
    worker = fleet.worker(DATABASE_URL=through(fleet, proxy))
    worker.wait_ready()
    for number in range(1, 4):
        proxy.lose_answer(b"COMMIT")
        for source in sources:
            world.queue(source)
        until(proxy.fired.is_set)
        fleet.settle()
        assert [fleet.assert_whole(source) for source in sources] == [number] * 3
    assert usage(world) == 9
    assert worker.popen.poll() is None


def test_a_line_that_carries_nothing_ends_the_run(fleet: Fleet, proxy: Proxy, gate: Gate) -> None:
    """F5: nothing is refused or closed, the renewal just never comes back. The run must not outlive
    its lease by what a connection takes to be given up."""
    source = fleet.world.source(fleet.world.component(gate.component()))
    fleet.world.queue(source)
    # It looks for nothing meanwhile, so that it is the renewal that hangs.
    fleet.worker(DATABASE_URL=through(fleet, proxy), CLAIM_SECONDS="60")
    gate.wait()
    proxy.freeze()
    until(lambda: gate.gone == 1, LEASE_SECONDS + 3)
    gate.open()
    fleet.worker().wait_ready()
    until(lambda: fleet.world.counts(source) == [1])
    proxy.thaw()
    fleet.world.queue(source)
    until(lambda: fleet.world.counts(source) == [1, 2])
    fleet.settle()
    assert fleet.assert_whole(source) == 2


@pytest.mark.slow
def test_connections_are_cut_under_load(fleet: Fleet, proxy: Proxy) -> None:
    world = fleet.world
    sources = world.sources(world.component(), 5)
    fleet.worker(DATABASE_URL=through(fleet, proxy)).wait_ready()
    for _ in range(10):
        for source in sources:
            world.queue(source)
        time.sleep(0.1)
        proxy.cut()
    fleet.settle()
    assert [fleet.assert_whole(source) for source in sources] == [10] * 5
