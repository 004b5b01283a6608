"""Work for the API that a fault of the platform's own stops."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from apps.runs.models import Operation
from tests.making import World
from tests.services.way import running


@pytest.mark.parametrize("kind", ["describe", "fetch", "options", "connect"])
async def test_a_fault_is_told_at_once_and_not_tried_again(world: World, kind: str) -> None:
    """Its arguments are none that the platform writes."""
    world.insert(Operation, kind=kind, owner_id=world.owner, args={"attempt": None})
    async with running(world) as runner, asyncio.timeout(20):
        runner.claim_soon()
        while not (
            ended := world.sql("SELECT result, attempt FROM operation WHERE state = 'failed'")
        ):
            await asyncio.sleep(0.02)
    [(result, attempt)] = ended
    assert orjson.loads(result)["refused"][:3] == [500, "internal_error", "internal error"]
    assert attempt == 1


async def test_of_two_that_wait_each_is_carried_out(world: World) -> None:
    """While PostgreSQL believes that one row is all there is, it may plan to choose once for each
    row that it claims: the claim must take one, and no other that nobody would see to."""
    waiting = {"kind": "describe", "owner_id": world.owner, "args": {"attempt": None}}
    world.sql("DELETE FROM operation")
    world.insert(Operation, **waiting)
    world.sql("VACUUM ANALYZE operation")
    world.insert(Operation, **waiting)
    async with running(world) as runner, asyncio.timeout(20):
        runner.claim_soon()
        while world.one("SELECT count(*) FROM operation WHERE state <> 'failed'"):
            await asyncio.sleep(0.02)
