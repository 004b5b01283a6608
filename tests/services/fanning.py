"""For the tests of the fan-out: events as a commit stores them, and one step of carrying them."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import psycopg

from apps.subscriptions import carry
from apps.subscriptions.carry import Carried
from tests.making import World

CAP = 10_000


def store(world: World, emitter: str, channel: str = "", **row: Any) -> str:
    """An event that somebody listens to, and its row on the list of the fan-out; its id.

    due_in  seconds from now until it is to be delivered (F10)
    """
    due_in = row.get("due_in")
    ms, n = world.sql(
        "UPDATE actor SET last_ms = greatest(last_ms,"
        " (extract(epoch FROM app_now()) * 1000)::bigint), last_n = last_n + 1"
        " WHERE source_id = %s RETURNING last_ms, last_n",
        emitter,
    )[0]
    world.sql(
        "INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, hops, stored_at,"
        " due_at) VALUES (%s, %s, %s, %s, %s, %s, '{}', %s, app_now(),"
        " app_now() + make_interval(secs => %s))",
        emitter, channel, ms, n, uuid.uuid4(), row.get("payload", b"{}"), row.get("hops", 0),
        due_in,
    )  # fmt: skip
    world.sql(
        "INSERT INTO fanout_due (source_id, channel, ms, n, due_at)"
        " VALUES (%s, %s, %s, %s, coalesce(app_now() + make_interval(secs => %s), 'epoch'))",
        emitter, channel, ms, n, due_in,
    )  # fmt: skip
    return f"{ms}-{n}"


async def carried(world: World, *emitters: str, cap: int = CAP) -> Carried:
    """What one step of a worker of its own does with these emitters."""
    async with await psycopg.AsyncConnection.connect(world.dsn, autocommit=True) as connection:
        await connection.execute(carry.SESSION)
        return await carry.carry(connection, emitters, cap)


def carried_now(world: World, *emitters: str, cap: int = CAP) -> Carried:
    """The same for tests that call Django's services as well, which want no event loop."""
    return asyncio.run(carried(world, *emitters, cap=cap))


def due(world: World) -> int:
    """Rows on the list of the fan-out, whenever they are due."""
    found: int = world.one("SELECT count(*) FROM fanout_due")
    return found


def keys(world: World, listener: str) -> list[str]:
    """The keys of a listener's queued Runs, in the order in which they will run."""
    rows = world.sql("SELECT key FROM mailbox WHERE source_id = %s ORDER BY id", listener)
    return [row[0] for row in rows]
