"""Redis loses all, is killed, is full, or stays away: the ledger goes on, the streams come back
(fault matrix 12 to 15; F2, F3, G9)."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable

import orjson
import pytest

from tests.faults.fleet import Fleet
from tests.making import until

SOURCES = 12


@pytest.fixture
def load(fleet: Fleet) -> list[str]:
    """A scheduler, two workers, and a dozen timers of one second; it runs already."""
    fleet.scheduler()
    workers = [fleet.worker(), fleet.worker()]
    for worker in workers:
        worker.wait_ready()
    sources = fleet.world.sources(fleet.world.component(), SOURCES, interval=1)
    until(lambda: all(fleet.world.counts(source) for source in sources))
    return sources


def message(queue: str) -> bytes:
    """One without a task, as the broker keeps it: the consumer notes it before it looks inside."""
    properties = {
        "delivery_tag": uuid.uuid4().hex,
        "delivery_info": {"exchange": queue, "routing_key": queue},
        "body_encoding": "utf-8",
    }
    kept = {"content-type": "application/json", "content-encoding": "utf-8", "headers": {}}
    return orjson.dumps({"body": "{}", **kept, "properties": properties})


def rounds(count: int, every_s: float, hurt: Callable[[], object]) -> None:
    for _ in range(count):
        time.sleep(every_s)
        hurt()


def end(fleet: Fleet, sources: list[str]) -> None:
    fleet.more_runs(sources)
    fleet.stop_timers()
    fleet.settle()
    for source in sources:
        assert fleet.assert_whole(source) > 1
        fleet.assert_every_slot(source)


@pytest.mark.parametrize("database", [1, 0], ids=["broker", "streams"])
def test_flushed_under_load(fleet: Fleet, load: list[str], database: int) -> None:
    """12, 13."""
    with fleet.redis(database) as client:
        rounds(10, 0.3, client.flushdb)
    end(fleet, load)


def test_killed_and_started_again_five_times_under_load(fleet: Fleet, load: list[str]) -> None:
    """14."""

    def restart() -> None:
        fleet.servers.valkey.kill()
        fleet.servers.valkey.start()

    rounds(5, 0.7, restart)
    end(fleet, load)


def test_out_of_memory(fleet: Fleet, load: list[str]) -> None:
    """15: nothing can be written to Redis; what is due is found without hints, and is stored.

    Each process has just been handed a message, of which it cannot note that it has it.
    """
    with fleet.redis(database=1) as client:
        with client.pipeline(transaction=True) as together:
            for queue in ("tick", "runs", "runs"):
                together.lpush(queue, message(queue))
            together.config_set("maxmemory", "1")
            together.execute()
        fleet.more_runs(load)
        fleet.more_runs(load)
        client.config_set("maxmemory", "0")
    end(fleet, load)
    fleet.assert_alive()


def test_down_for_good(fleet: Fleet, load: list[str]) -> None:
    """Work goes on; when it comes back, the streams catch up."""
    fleet.servers.valkey.stop()
    for _ in range(8):
        fleet.more_runs(load)
    late = "SELECT count(*) FROM mailbox WHERE due_at < app_now() - interval '3 seconds'"
    until(lambda: fleet.world.one(late) == 0)
    # A tick that waits for the broker comes seconds late, and misses so many slots in one go.
    missed = fleet.world.one(
        "SELECT coalesce(max(count), 0) FROM sources_skippedslots WHERE reason = 'downtime'"
    )
    assert missed < 5
    fleet.servers.valkey.start()
    end(fleet, load)


@pytest.mark.slow
def test_hanging(fleet: Fleet, load: list[str]) -> None:
    """It answers nothing and refuses nothing."""
    process = fleet.servers.valkey.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        fleet.more_runs(load)
    finally:
        process.send_signal(signal.SIGCONT)
    end(fleet, load)
