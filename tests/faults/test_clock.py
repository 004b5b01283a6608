"""The database's clock moves, and everything is there twice (fault matrix 18, 20)."""

from __future__ import annotations

import time

import pytest

from tests.faults.fleet import Fleet
from tests.faults.gate import Gate
from tests.making import COUNTER, until


@pytest.mark.slow
def test_an_hour_ahead_takes_leases_over_and_the_fence_sorts_it_out(
    fleet: Fleet, gate: Gate
) -> None:
    source = fleet.world.source(fleet.world.component(gate.component()))
    fleet.world.queue(source)
    first = fleet.worker(LEASE_SECONDS="20")
    gate.wait()
    fleet.world.move_clock(3600)
    second = fleet.worker(LEASE_SECONDS="20")
    gate.wait(2)
    gate.open()
    fleet.settle()
    until(lambda: "lost" in first.log)
    assert "lost" not in second.log
    assert fleet.assert_whole(source) == 1


def test_an_hour_back_takes_no_lease(fleet: Fleet, gate: Gate) -> None:
    source = fleet.world.source(fleet.world.component(gate.component()))
    fleet.world.queue(source)
    fleet.worker()
    gate.wait()
    fleet.world.move_clock(-3600)
    # Due by the new clock too, so that only the lease holds it back.
    fleet.world.sql("UPDATE mailbox SET due_at = 'epoch'")
    fleet.worker().wait_ready()
    expiry = "SELECT extract(epoch FROM until)::float FROM actor"
    first = fleet.world.one(expiry)
    until(lambda: fleet.world.one(expiry) != first)
    gate.open()
    fleet.settle()
    assert gate.arrived == 1
    assert fleet.world.one("SELECT fence FROM actor") == 1
    assert fleet.assert_whole(source) == 1


@pytest.mark.slow
def test_two_schedulers_and_two_workers_run_each_slot_once(fleet: Fleet) -> None:
    """20. Some take longer than their interval: what they miss is noted (F18)."""
    world = fleet.world
    slow = COUNTER.replace("count = self", "__import__('time').sleep(1.3)\n        count = self")
    for process in [fleet.scheduler(), fleet.scheduler(), fleet.worker(), fleet.worker()]:
        process.wait_ready()
    sources = world.sources(world.component(), 10, interval=1)
    slows = world.sources(world.component(slow), 3, interval=1)
    until(lambda: all(len(world.runs(source)) >= 3 for source in [*sources, *slows]))
    world.move_clock(3600)
    time.sleep(1)
    world.move_clock(0)
    time.sleep(1)
    fleet.stop_timers()
    # A row that was queued an hour ahead is due then.
    world.sql("UPDATE mailbox SET due_at = 'epoch'")
    fleet.settle()
    for source in [*sources, *slows]:
        fleet.assert_whole(source)
        fleet.assert_every_slot(source)
    for source in slows:
        reasons = world.sql(
            "SELECT DISTINCT reason FROM sources_skippedslots WHERE source_id = %s", source
        )
        assert ("previous_run",) in reasons
