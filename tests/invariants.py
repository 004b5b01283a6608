"""What must hold of a platform's rows and streams, whatever was done to it."""

from __future__ import annotations

import redis

from tests.making import World, entries

STREAM_LENGTH = 200


def assert_each_ran_once(world: World) -> None:
    """Every run was a success, and no cause has two (G3)."""
    assert world.sql("SELECT DISTINCT state FROM run") == [("succeeded",)]
    assert world.one("SELECT count(*) - count(DISTINCT (source_id, cause, key)) FROM run") == 0


def assert_every_slot(world: World, source: str, step_s: int = 1) -> None:
    """From its first slot to its last, each was run once or is noted as skipped (G5)."""
    step = step_s * 1000
    slots = [int(r.key.split(":")[1]) for r in world.runs(source) if r.cause == "timer"]
    for start, end, count in world.sql(
        "SELECT from_ms, to_ms, count FROM sources_skippedslots WHERE source_id = %s", source
    ):
        noted = list(range(start, end + 1, step))
        assert len(noted) == count
        slots += noted
    # Slots that start off the millisecond are cut to it.
    numbers = sorted(round((slot - min(slots)) / step) for slot in slots)
    assert numbers == list(range(len(slots)))


def assert_stream(client: redis.Redis, world: World, source: str) -> None:
    """The stream ends as the ledger does. It may show more lines of `$logs`, of which the ledger
    keeps so many and no more."""
    shown = entries(client, source)
    events = [entry for entry in shown if entry[1] != "$logs"]
    told = [entry for entry in world.tail(source, 100_000) if entry[1] != "$logs"]
    assert events == told[len(told) - len(events) :]
    assert len(shown) == STREAM_LENGTH or events == told
