"""Step 1: due timers become Runs, each slot once, and none is left out silently (G5, F18)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import close_old_connections, connection, transaction

from apps.accounts.models import User
from apps.runs import lifecycle
from apps.runs.lifecycle import Changes
from apps.sources.models import Source
from tests.making import World, until
from tests.services import making
from workers import scheduler

pytestmark = pytest.mark.usefixtures("streams")


def queued(world: World, source_id: str) -> list[tuple[str, bytes]]:
    """Key and payload of the timer Runs that wait, oldest slot first."""
    rows = world.sql(
        "SELECT key, payload FROM mailbox WHERE source_id = %s AND cause = 'timer' ORDER BY id",
        source_id,
    )
    return [(r[0], bytes(r[1])) for r in rows]


def skipped(world: World, source_id: str) -> list[tuple[str, int, int]]:
    """Reason, count, seconds between the first and the last slot of each range, oldest first."""
    return [
        (r[0], r[1], r[2])
        for r in world.sql(
            "SELECT reason, count, ((to_ms - from_ms) / 1000)::int FROM sources_skippedslots"
            " WHERE source_id = %s ORDER BY from_ms",
            source_id,
        )
    ]


def next_in(world: World, source_id: str) -> float:
    """Seconds from the app's clock to the next slot."""
    found: float = world.one(
        "SELECT extract(epoch FROM next_fire_at - app_now())::float FROM sources_timer"
        " WHERE source_id = %s",
        source_id,
    )
    return found


def begin_a_minute(world: World) -> float:
    """Move the clock to a 10th second: no slot of a cron comes due while a test works. → how far"""
    offset: float = world.one("SELECT 10 - extract(second FROM statement_timestamp())::float")
    world.move_clock(offset)
    return offset


def step_apart() -> None:
    """In a thread."""
    scheduler.step()
    connection.close()


def end_runs(world: World) -> None:
    """As if everything queued had run."""
    world.sql("DELETE FROM mailbox")


def test_a_due_timer_queues_one_run_and_moves_to_its_next_slot(world: World) -> None:
    source = world.source(world.component(), interval=60, due_in=-1)
    slot = world.one("SELECT next_fire_at FROM sources_timer WHERE source_id = %s", source)
    assert scheduler.step() == 1
    assert scheduler.step() == 0
    after = world.one("SELECT next_fire_at FROM sources_timer WHERE source_id = %s", source)
    assert after - slot == timedelta(seconds=60)
    [(key, payload)] = queued(world, source)
    # Cut, not rounded: a component is never told of a second that has not begun.
    assert key == f"1:{int(slot.timestamp() * 1000)}"
    assert payload == b'{"timestamp":%d,"interval_seconds":60}' % int(slot.timestamp())
    assert skipped(world, source) == []


def test_a_timer_that_is_not_due_waits(world: World) -> None:
    source = world.source(world.component(), interval=60, due_in=30)
    assert scheduler.step() == 0
    assert queued(world, source) == []


def test_more_timers_than_one_statement_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "BATCH", 4)
    begin_a_minute(world)
    component = world.component()
    sources = world.sources(component, 10, interval=60)
    crons = world.sources(component, 6, cron="* * * * *", due_in=-1)
    assert scheduler.step() == 16
    assert [len(queued(world, source)) for source in [*sources, *crons]] == [1] * 16


@pytest.mark.parametrize(
    ("timer", "skips"),
    [
        # Slots at 0, 60, … 10,800 s: 181, of which the newest runs; of a cron 180.
        ({"interval": 60}, 180),
        ({"cron": "* * * * *"}, 179),
    ],
    ids=["interval", "cron"],
)
def test_after_three_hours_down_one_run_catches_up(
    world: World, timer: dict[str, Any], skips: int
) -> None:
    offset = begin_a_minute(world)
    source = world.source(world.component(), **timer)
    world.move_clock(offset + 3 * 3600)
    assert scheduler.step() == 1
    assert len(queued(world, source)) == 1
    [(reason, count, seconds)] = skipped(world, source)
    assert (reason, count) == ("downtime", skips)
    assert "cron" in timer or seconds == (count - 1) * 60
    assert 0 < next_in(world, source) <= 60
    assert scheduler.step() == 0


def test_slots_behind_a_run_that_has_not_ended_are_one_range(world: World) -> None:
    """F18: an hour behind one run is one row, not two hundred."""
    source = world.source(world.component(), interval=60)
    assert scheduler.step() == 1
    for minute in (1, 2, 3):
        world.move_clock(60 * minute + 1)
        assert scheduler.step() == 1
    assert len(queued(world, source)) == 1
    assert skipped(world, source) == [("previous_run", 3, 120)]
    end_runs(world)
    world.move_clock(241)
    assert scheduler.step() == 1
    assert len(queued(world, source)) == 1
    world.move_clock(301)
    assert scheduler.step() == 1
    assert skipped(world, source) == [("previous_run", 3, 120), ("previous_run", 1, 0)]


def test_a_cron_slot_behind_a_run_is_skipped_too(world: World) -> None:
    offset = begin_a_minute(world)
    source = world.source(world.component(), cron="* * * * *", due_in=-1)
    assert scheduler.step() == 1
    world.move_clock(offset + 60)
    assert scheduler.step() == 1
    assert len(queued(world, source)) == 1
    [(reason, count, _)] = skipped(world, source)
    assert (reason, count) == ("previous_run", 1)


def test_runs_of_other_causes_hold_up_no_timer(world: World) -> None:
    source = world.source(world.component(), interval=60)
    world.queue(source, cause="http")
    assert scheduler.step() == 1
    assert len(queued(world, source)) == 1
    assert skipped(world, source) == []


def test_the_clock_goes_back_and_no_slot_comes_twice(world: World) -> None:
    """18."""
    source = world.source(world.component(), interval=60)
    scheduler.step()
    [(first, _)] = queued(world, source)
    end_runs(world)
    world.move_clock(-3600)
    assert scheduler.step() == 0
    world.move_clock(0)
    assert scheduler.step() == 0
    world.move_clock(61)
    assert scheduler.step() == 1
    [(second, _)] = queued(world, source)
    assert int(second.split(":")[1]) - int(first.split(":")[1]) == 60_000


def test_a_slot_is_one_run_even_if_it_comes_up_again(world: World) -> None:
    """The key of a slot, not the timer's memory: a restored timer repeats nothing."""
    source = world.source(world.component(), interval=60)
    before = world.one("SELECT next_fire_at FROM sources_timer WHERE source_id = %s", source)
    scheduler.step()
    world.sql("UPDATE mailbox SET cause = 'http'")
    world.sql("UPDATE mailbox SET cause = 'timer'")
    world.sql("UPDATE sources_timer SET next_fire_at = %s", before)
    scheduler.step()
    assert len(queued(world, source)) == 1


def test_two_schedulers_at_once_share_the_slots(world: World) -> None:
    """20."""
    begin_a_minute(world)
    component = world.component()
    sources = world.sources(component, 40, interval=60)
    sources += world.sources(component, 20, cron="* * * * *", due_in=-1)
    failures: list[BaseException] = []
    start = threading.Barrier(3)

    def schedule() -> None:
        try:
            start.wait(10)
            for _ in range(5):
                scheduler.step()
        except BaseException as error:
            failures.append(error)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=schedule) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert [len(queued(world, source)) for source in sources] == [1] * 60
    assert [skipped(world, source) for source in sources] == [[]] * 60


@contextmanager
def two_schedulers(world: World) -> Iterator[list[str]]:
    """One has fired two timers and its transaction is open, the other is done or waits for it."""
    begin_a_minute(world)
    component = world.component()
    sources = [world.source(component, interval=60)]
    sources += [world.source(component, cron="* * * * *", due_in=-1)]
    second = threading.Thread(target=step_apart)
    with transaction.atomic():
        assert scheduler.step() == 2
        second.start()
        until(lambda: not second.is_alive() or world.waits_for_a_lock("sources_timer"))
        yield sources
    second.join(20)
    assert not second.is_alive()


def test_a_scheduler_passes_over_timers_that_another_is_at(world: World) -> None:
    """20: it does not wait for them."""
    with two_schedulers(world) as sources:
        assert not world.waits_for_a_lock("sources_timer")
    assert [len(queued(world, source)) for source in sources] == [1, 1]


def test_no_slot_is_fired_twice_however_soon_its_run_has_ended(world: World) -> None:
    """20: the timer's row decides, not the run, which may be gone by then."""
    with two_schedulers(world) as sources, connection.cursor() as cursor:
        cursor.execute("DELETE FROM mailbox")
    assert [len(queued(world, source)) for source in sources] == [0, 0]


def test_a_stopped_timer_is_left_alone(world: World) -> None:
    source = world.source(world.component(), interval=60)
    world.sql("UPDATE sources_timer SET next_fire_at = NULL")
    assert scheduler.step() == 0
    assert queued(world, source) == []


def test_hints_that_cannot_be_sent_hold_up_no_tick(
    world: World, streams: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full broker refuses the hint; the Run is there."""
    source = world.source(world.component(), interval=60)
    streams.config_set("maxmemory", "1")
    try:
        assert scheduler.step() == 1
    finally:
        streams.config_set("maxmemory", "0")
    assert len(queued(world, source)) == 1


@pytest.fixture
def scheduled(world: World) -> Source:
    """A source as the services make it, whose cron slot is due now."""
    begin_a_minute(world)
    owner = User.objects.get(id=world.owner)
    wanted = {"timer": {"cron": "* * * * *"}}
    source = making.source(owner, making.component(owner, making.TIMER), configured_props=wanted)
    world.sql("UPDATE sources_timer SET next_fire_at = date_trunc('minute', app_now())")
    return source


def edit(source: Source, cron: str, actor: str) -> None:
    changes = Changes(configured_props={"timer": {"cron": cron}})
    assert lifecycle.update(source, changes, actor).operation_id is None
    connection.close()


@pytest.mark.parametrize("order", ["edited first", "fired first", "at once"])
def test_a_cron_edited_in_the_second_it_fires_runs_the_old_slot_or_the_new_one(
    scheduled: Source, world: World, order: str
) -> None:
    """22: never both."""
    steps = [
        threading.Thread(target=edit, args=(scheduled, "*/2 * * * *", world.owner)),
        threading.Thread(target=step_apart),
    ]
    if order == "fired first":
        steps.reverse()
    for thread in steps:
        thread.start()
        if order != "at once":
            thread.join(20)
    for thread in steps:
        thread.join(20)
    runs = queued(world, scheduled.id)
    assert len(runs) <= 1
    assert [key.split(":")[0] for key, _ in runs] in ([], ["1"])
    if order == "fired first":
        assert len(runs) == 1
    generation, cron = world.sql("SELECT generation, cron FROM sources_timer")[0]
    assert (generation, cron) == (2, "*/2 * * * *")
    assert next_in(world, scheduled.id) > 0
    end_runs(world)
    assert scheduler.step() == 0
