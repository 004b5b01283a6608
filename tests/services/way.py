"""The way in one process: a world of rows, a runner with real children, one step after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from tests.making import World
from workers.runner import Runner
from workers.runtime.pool import Runtime
from workers.settings import RunnerSettings, runner_settings, runtime_settings


def database_url() -> str:
    """The address of Django's test database, for connections of our own."""
    return make_conninfo(settings.DATABASE_URL, dbname=connection.settings_dict["NAME"])


@asynccontextmanager
async def running(world: World, grace: float = 5, **changes: Any) -> AsyncIterator[Runner]:
    """A started runner; stopped at the end."""
    wanted: RunnerSettings = replace(runner_settings(), database_url=world.dsn, **changes)
    runner = Runner(wanted, Runtime(runtime_settings()))
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop(grace)


async def quiet(world: World, within_s: float = 20) -> None:
    """Wait until nothing is due, held or unpublished."""
    async with asyncio.timeout(within_s):
        while not world.is_quiet():
            await asyncio.sleep(0.02)
