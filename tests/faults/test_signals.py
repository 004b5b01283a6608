"""Workers that are frozen, told to stop, or slow (fault matrix 1, 10, 11; F5, F6)."""

from __future__ import annotations

import signal

import pytest

from tests.faults.fleet import LEASE_SECONDS, Fleet
from tests.faults.gate import Gate
from tests.making import until


def fence(fleet: Fleet) -> int:
    found: int = fleet.world.one("SELECT fence FROM actor")
    return found


@pytest.mark.slow
def test_a_worker_frozen_in_a_run_wakes_and_is_refused(fleet: Fleet, gate: Gate) -> None:
    """10."""
    source = fleet.world.source(fleet.world.component(gate.component()))
    fleet.world.queue(source)
    frozen = fleet.worker()
    gate.wait()
    frozen.signal(signal.SIGSTOP)
    other = fleet.worker()
    gate.wait(2)
    gate.open()
    fleet.settle()
    assert fleet.world.counts(source) == [1]
    frozen.signal(signal.SIGCONT)
    until(lambda: "is lost" in frozen.log or "was lost" in frozen.log)
    fleet.world.queue(source)
    fleet.settle()
    assert fleet.assert_whole(source) == 2
    assert "lost" not in other.log


@pytest.mark.parametrize("point", ["drained", "before_commit", "after_commit"])
def test_a_worker_frozen_around_its_commit_wakes_and_changes_nothing(
    fleet: Fleet, point: str
) -> None:
    """10: what the next holder has done since is not undone. In the middle of the transaction it
    holds locks that must not outlive it."""
    source = fleet.world.source(fleet.world.component())
    fleet.world.queue(source)
    frozen = fleet.worker(CRASH_AT=f"{point}:freeze")
    until(frozen.is_frozen, within_s=40)
    fleet.world.queue(source)
    other = fleet.worker()
    fleet.settle(40)
    assert fleet.assert_whole(source) == 2
    frozen.signal(signal.SIGCONT)
    if point != "after_commit":
        until(lambda: "nothing of it kept" in frozen.log)
    frozen.signal(signal.SIGTERM)
    assert frozen.wait() == 0
    fleet.world.queue(source)
    fleet.settle()
    assert fleet.assert_whole(source) == 3
    assert "lost" not in other.log


@pytest.mark.slow
def test_a_worker_frozen_and_killed(fleet: Fleet, gate: Gate) -> None:
    """1."""
    source = fleet.world.source(fleet.world.component(gate.component()))
    fleet.world.queue(source)
    frozen = fleet.worker()
    gate.wait()
    frozen.signal(signal.SIGSTOP)
    frozen.kill()
    fleet.worker()
    gate.wait(2)
    gate.open()
    fleet.settle()
    assert fleet.assert_whole(source) == 1


def test_a_run_that_ends_in_time_is_finished_before_its_worker_stops(
    fleet: Fleet, gate: Gate
) -> None:
    """11. The grace is longer than the lease, so leases are renewed while it stops."""
    source = fleet.world.source(fleet.world.component(gate.component()))
    fleet.world.queue(source)
    worker = fleet.worker()
    gate.wait()
    idle = fleet.worker()
    idle.wait_ready()
    worker.signal(signal.SIGTERM)
    first = expires(fleet)
    until(lambda: fleet.world.one("SELECT extract(epoch FROM app_now())::float") > first + 1)
    gate.open()
    assert worker.wait() == 0
    fleet.settle()
    assert gate.arrived == 1
    assert fence(fleet) == 1
    assert fleet.assert_whole(source) == 1


def test_a_run_that_does_not_end_is_released_uncounted(fleet: Fleet, gate: Gate) -> None:
    """11. A second SIGTERM changes nothing."""
    source = fleet.world.source(fleet.world.component(gate.component()))
    fleet.world.queue(source)
    worker = fleet.worker()
    gate.wait()
    until(lambda: fleet.world.one("SELECT attempt FROM mailbox") == 1)
    worker.signal(signal.SIGTERM)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert fleet.world.sql("SELECT attempt FROM mailbox") == [(0,)]
    assert fleet.world.sql("SELECT token, lost FROM actor") == [(0, 0)]
    until(lambda: gate.gone == 1)
    gate.open()
    fleet.worker()
    fleet.settle()
    assert fleet.assert_whole(source) == 1
    assert gate.arrived == 2


def test_a_run_longer_than_its_lease_is_renewed_and_no_poison(fleet: Fleet, gate: Gate) -> None:
    """F5, F6. Others are there to take it over, and do not."""
    source = fleet.world.source(fleet.world.component(gate.component()))
    fleet.world.queue(source)
    for worker in [fleet.worker(), fleet.worker()]:
        worker.wait_ready()
    gate.wait()
    first = expires(fleet)
    until(lambda: expires(fleet) > first + 2 * LEASE_SECONDS)
    gate.open()
    fleet.settle()
    assert fence(fleet) == 1
    assert gate.arrived == 1
    [run] = fleet.world.runs(source)
    assert (run.state, run.attempt) == ("succeeded", 1)
    assert fleet.assert_whole(source) == 1


def expires(fleet: Fleet) -> float:
    found: float = fleet.world.one("SELECT extract(epoch FROM until)::float FROM actor")
    return found
