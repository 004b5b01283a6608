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
