"""Webhooks, events and deliveries as rows, and one worker's Delivery to step with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson

from apps.core import secrets
from apps.core.addresses import Policy
from apps.core.http import Client
from apps.core.ids import new_id
from apps.core.names import Resolve
from apps.subscriptions.models import Webhook
from apps.subscriptions.signing import new_secret
from tests.making import World
from workers.delivery import Delivery, DeliverySettings

LOOPBACK = ("127.0.0.1/32",)
SETTINGS = DeliverySettings(claim_seconds=0.05, seconds=5, slots=20)
MS = 1_589_486_981_000


def webhook(world: World, url: str, owner: str | None = None, **values: Any) -> str:
    made = new_id("wh")
    stored = [{"key": secrets.encrypt(values.pop("secret", None) or new_secret())}]
    world.insert(Webhook, id=made, owner_id=owner or world.owner, url=url, secret=stored, **values)
    return made


def event(world: World, source: str, n: int, payload: Any = None, channel: str = "") -> None:
    """One stored event, `<MS>-<n>`."""
    world.sql(
        "INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, hops, stored_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, '{}', 0, app_now())",
        source, channel, MS, n, uuid4(), orjson.dumps({"n": n} if payload is None else payload),
    )  # fmt: skip


def due(world: World, hook: str, source: str, numbers: Sequence[int], channel: str = "") -> None:
    """Deliveries as the fan-out inserts them."""
    for n in numbers:
        world.sql(
            "INSERT INTO delivery (webhook_id, owner_id, emitter_id, channel, ms, n,"
            " next_attempt_at, created_at)"
            " SELECT %s, owner_id, %s, %s, %s, %s, app_now(), app_now()"
            " FROM subscriptions_webhook WHERE id = %s",
            hook, source, channel, MS, n, hook,
        )  # fmt: skip


def emitted(world: World, hook: str, count: int = 1) -> str:
    """A source with `count` events, each due at the webhook."""
    source = world.source(world.component())
    for n in range(count):
        event(world, source, n)
    due(world, hook, source, range(count))
    return source


def states(world: World, hook: str) -> list[str]:
    rows = world.sql("SELECT state FROM delivery WHERE webhook_id = %s ORDER BY id", hook)
    return [row[0] for row in rows]


def history(world: World, hook: str) -> list[dict[str, Any]]:
    """The attempts of the webhook's only delivery."""
    found: list[dict[str, Any]] = orjson.loads(
        world.one("SELECT history FROM delivery WHERE webhook_id = %s", hook)
    )
    return found


def client(
    seconds: float, allow: Sequence[str] = LOOPBACK, resolve: Resolve | None = None, ca: str = ""
) -> Client:
    return Client(Policy(allow), seconds=seconds, resolve=resolve, ca=ca)


@asynccontextmanager
async def delivering(
    world: World,
    allow: Sequence[str] = LOOPBACK,
    resolve: Resolve | None = None,
    grace: float = 0,
    **changes: Any,
) -> AsyncIterator[Delivery]:
    """One worker's, not started: its `step` is for the test to call, or `run` for a while."""
    settings = replace(SETTINGS, **changes)
    made = Delivery(world.dsn, settings, client(settings.seconds, allow, resolve))
    try:
        yield made
    finally:
        await made.stop(grace)


async def settle(world: World, made: Delivery, within_s: float = 20) -> None:
    """Step until nothing of the world is due or under way."""
    async with asyncio.timeout(within_s):
        while world.one(
            "SELECT count(*) FROM delivery WHERE state = 'pending'"
            " AND (next_attempt_at <= app_now() OR token <> 0)"
        ):
            await made.step()


@asynccontextmanager
async def looping(made: Delivery) -> AsyncIterator[None]:
    """Its loop, as a worker runs it."""

    async def forever() -> None:
        while True:
            await made.step()

    task = asyncio.create_task(forever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
