"""The answers of runs to their HTTP requests, sent while the run goes on (F8)."""

from __future__ import annotations

import asyncio
import logging
import uuid

import psycopg
from redis.asyncio import Redis

from apps.runs import responses
from apps.runs.contract import Respond
from workers.database import Line

logger = logging.getLogger(__name__)

TRIES = 5
PAUSE_SECONDS = 0.2


class Responder:
    """`put` returns at once; the answers of one run are stored in the order of the calls, so that
    the first one wins. `settle` waits for all."""

    def __init__(self, line: Line, client: Redis) -> None:
        self._line = line
        self._redis = client
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}

    def put(self, run_id: uuid.UUID, answer: Respond | None) -> None:
        """None: the run has ended, and what was not answered till now never will be."""
        before = self._tasks.get(run_id)
        task = asyncio.create_task(self._store(before, run_id, answer))
        self._tasks[run_id] = task
        task.add_done_callback(lambda done: self._done(run_id, done))

    async def settle(self) -> None:
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _store(
        self, before: asyncio.Task[None] | None, run_id: uuid.UUID, answer: Respond | None
    ) -> None:
        if before is not None:
            await before
        for _ in range(TRIES):
            try:
                async with self._line as connection:
                    await responses.put(connection, self._redis, run_id, answer)
            except (psycopg.Error, OSError) as error:
                logger.warning(
                    "an answer could not be stored, trying again: %s",
                    error,
                    extra={"run_id": str(run_id)},
                )
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    def _done(self, run_id: uuid.UUID, task: asyncio.Task[None]) -> None:
        if self._tasks.get(run_id) is task:
            del self._tasks[run_id]
