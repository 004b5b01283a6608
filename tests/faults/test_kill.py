"""kill -9 of a worker at every point of the way: each run has one effect, in order, published once
(fault matrix 2 to 5, 7, 8); one that kills its worker each time is dead, and others go on (F6)."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.fleet import LEASE_SECONDS, SWEEP_SECONDS, Fleet, usage
from tests.faults.gate import Gate
from tests.making import until

# A lease and a sweep, and what it takes on a busy machine to run what is left.
WITHIN = LEASE_SECONDS + SWEEP_SECONDS + 20


@pytest.mark.parametrize(
    ("point", "rows"),
    [
        ("before_lease", 4),
        ("after_lease", 4),
        ("before_commit", 4),
        # Alone: nothing waits in the mailbox, only the sweep knows that something is left.
        ("after_commit", 1),
        ("after_publish", 1),
    ],
)
def test_a_worker_dies(fleet: Fleet, point: str, rows: int) -> None:
    sources = fleet.world.sources(fleet.world.component(), 3)
    for source in sources:
        for _ in range(rows):
            fleet.world.queue(source)
    fleet.scheduler()
    victim = fleet.worker(CRASH_AT=point)
    assert victim.wait(60) == 137
    fleet.worker().wait_ready()
    fleet.settle(WITHIN)
    assert [fleet.assert_whole(source) for source in sources] == [rows] * 3
    assert usage(fleet.world) == 3 * rows


def test_a_worker_dies_while_user_code_runs(fleet: Fleet, gate: Gate) -> None:
    source = fleet.world.source(fleet.world.component(gate.component()))
    fleet.world.queue(source)
    victim = fleet.worker()
    gate.wait()
    victim.kill()
    until(lambda: gate.gone == 1)
    gate.open()
    fleet.worker().wait_ready()
    fleet.settle(WITHIN)
    assert fleet.assert_whole(source) == 1
    assert gate.arrived == 2


def test_a_run_that_takes_its_worker_down_each_time_is_dead_and_others_go_on(
    fleet: Fleet, gate: Gate
) -> None:
    """It stands behind others in its mailbox, which are not blamed."""
    world = fleet.world
    poisoned = world.source(world.component(gate.component(only="poison")))
    healthy = world.source(world.component())
    for number in range(2):
        world.queue(poisoned, b"%d" % number)
        world.queue(healthy)
    row = world.queue(poisoned, b'"poison"', key="poison")
    world.queue(poisoned, b'"after"')

    def waits() -> bool:
        return bool(world.sql("SELECT 1 FROM mailbox WHERE id = %s", row))

    def next_one(arrived: int) -> bool:
        return gate.arrived > arrived or not waits()

    # A worker may die between a commit and its publication: the sweep finds what is left of that.
    fleet.scheduler()
    deaths = 0
    while waits() and deaths < 5:
        worker = fleet.worker()
        until(partial(next_one, deaths), within_s=40)
        if gate.arrived > deaths:
            worker.kill()
            deaths += 1
    fleet.settle(WITHIN)
    assert 3 <= deaths <= 4
    runs = {run.key == "poison": run.state for run in world.runs(poisoned)}
    assert runs == {True: "dead", False: "succeeded"}
    assert len(world.runs(poisoned)) == 4
    [error] = world.events(poisoned, "$errors")
    assert error.payload["error"]["name"] == "Worker Lost"
    assert error.payload["original_event"] == "poison"
    assert world.counts(poisoned) == [1, 2, 3]
    assert fleet.assert_whole(healthy) == 2
