"""Step 4 of the way: hands events on to their listeners (`apps.subscriptions.carry`).

Every worker process has one, on a connection of its own, so that ten thousand listeners delay no
lease and no commit. It is woken by its own process's commits, by hints, and looks for itself every
`claim_seconds`, so that neither a lost hint nor a dead broker delays anything for longer. Two at
once share the emitters: each is carried by who has its lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence

import psycopg

from apps.core.measures import FANNED_OUT
from apps.subscriptions import carry
from apps.subscriptions.carry import Carried
from workers.database import Line
from workers.settings import RunnerSettings

logger = logging.getLogger(__name__)

# Emitters in one transaction; found by one look.
GROUP = 50


class FanOut:
    """`wake(source ids, webhook ids)` is told who got something, after the COMMIT."""

    def __init__(
        self, settings: RunnerSettings, wake: Callable[[list[str], list[str]], None]
    ) -> None:
        self._line = Line(settings.database_url, session=carry.SESSION)
        self._claim_seconds = settings.claim_seconds
        self._cap = settings.mailbox_cap
        self._wake = wake
        self._pending: dict[str, None] = {}
        self._hinted = asyncio.Event()
        self._look_at = 0.0
        self._cursor = ""

    def offer(self, emitter_ids: Iterable[str]) -> None:
        """These emitters have something due; from the loop's own thread."""
        for emitter_id in emitter_ids:
            self._pending[emitter_id] = None
        self._hinted.set()

    async def step(self) -> None:
        """Carry on one group of emitters; without any, wait for a hint or the next look."""
        self._hinted.clear()
        if time.monotonic() >= self._look_at:
            await self._look()
        if not self._pending:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._look_at - time.monotonic())):
                    await self._hinted.wait()
            return
        ids = list(self._pending)[:GROUP]
        for emitter_id in ids:
            del self._pending[emitter_id]
        await self._carry(ids)

    async def close(self) -> None:
        await self._line.close()

    async def _look(self) -> None:
        async with self._line as connection:
            at_once, timed = await carry.due(connection, self._cursor, GROUP)
        more = len(at_once) == GROUP
        self._cursor = at_once[-1] if more else ""
        self._look_at = time.monotonic() + (0 if more else self._claim_seconds)
        self.offer([*at_once, *timed])

    async def _carry(self, ids: Sequence[str]) -> None:
        try:
            async with self._line as connection:
                carried = await carry.carry(connection, ids, self._cap)
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            # Something of one emitter cannot be carried, and will not be: the others' can.
            if len(ids) == 1:
                logger.exception(
                    "events of %s could not be carried on", ids[0], extra={"source_id": ids[0]}
                )
                return
            for emitter_id in ids:
                await self._carry([emitter_id])
            return
        self._tell(carried)

    def _tell(self, carried: Carried) -> None:
        FANNED_OUT.inc(carried.done)
        self.offer(carried.more)
        sources = [*carried.listeners, *carried.told]
        if sources or carried.webhooks:
            self._wake(sources, carried.webhooks)
