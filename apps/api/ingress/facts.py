"""What is known of the sources behind the endpoints, for a second at a time.

That a source is there and accepts requests is asked again by each INSERT (`store`); a fact
that is a second old can only let one in that its rate or its mailbox should have turned away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass

import orjson
import psycopg
from django.conf import settings
from psycopg_pool import PoolTimeout

from apps.api.connections import Pool, using
from apps.core import errors
from apps.core.about import apart

logger = logging.getLogger(__name__)

SECONDS = 1.0
# A full mailbox is looked at again sooner: it empties by the second.
FULL_SECONDS = 0.2
KEPT = 20_000
_HTTP = "$.interface.http"

_FACTS = """
SELECT s.id, s.rate_limit, c.props,
       (SELECT count(*) FROM (SELECT FROM mailbox WHERE source_id = s.id LIMIT %(cap)s) AS waiting)
FROM sources_source s JOIN components_component c ON c.id = s.component_id
WHERE s.endpoint_key = %(key)s AND s.state IN ('active', 'creating')
"""


@dataclass(slots=True)
class Facts:
    """custom  the source answers by `respond`; room  requests that its mailbox has room for;
    rate, tokens  requests a second on average, and how many may come now."""

    source_id: str
    rate: int | None
    custom: bool
    room: int
    until: float
    tokens: float = 0.0
    filled_at: float = 0.0

    def spend(self) -> None:
        """Take one request's share. Raises 429: the mailbox is full, or the rate is exceeded."""
        if self.room <= 0:
            raise errors.too_many(
                "too many requests are waiting for this source", retry_after=5, code="mailbox_full"
            )
        if self.rate is not None:
            now = time.monotonic()
            earned = (now - self.filled_at) * self.rate
            self.tokens = min(burst(self.rate), self.tokens + earned)
            self.filled_at = now
            if self.tokens < 1:
                raise errors.too_many(f"more than {self.rate} requests a second", retry_after=1)
            self.tokens -= 1
        self.room -= 1


def burst(rate: int | None) -> float:
    """Two seconds' worth may come at once."""
    return 2.0 * (rate or 0)


class Sources:
    """The facts of the endpoints used of late; least recently looked up out first."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept: OrderedDict[str, Facts] = OrderedDict()
        self._looking: dict[str, asyncio.Task[Facts]] = {}

    async def find(self, key: str) -> Facts:
        """Raises 404 for an endpoint that accepts nothing."""
        facts = self._kept.get(key)
        if facts is not None and time.monotonic() < facts.until:
            return facts
        # Requests that come together share one look.
        task = self._looking.get(key)
        if task is None:
            task = self._looking[key] = apart(asyncio.create_task, self._look_up(key))
            task.add_done_callback(lambda _: self._looking.pop(key, None))
        return await asyncio.shield(task)

    def forget(self, key: str) -> None:
        self._kept.pop(key, None)

    async def _look_up(self, key: str) -> Facts:
        try:
            async with using(self._pool) as connection:
                cursor = await connection.execute(_FACTS, {"key": key, "cap": settings.MAILBOX_CAP})
                row = await cursor.fetchone()
        except (psycopg.Error, PoolTimeout) as error:
            logger.warning("an endpoint could not be looked up: %s", error)
            raise errors.unavailable("the database does not answer; send it again") from None
        if row is None:
            self.forget(key)
            raise errors.not_found()
        source_id, rate, props, waiting = row
        custom = any(
            prop.get("customResponse")
            for prop in orjson.loads(bytes(props))
            if prop["type"] == _HTTP
        )
        now, room = time.monotonic(), settings.MAILBOX_CAP - waiting
        old = self._kept.get(key)
        facts = Facts(source_id, rate, custom, room, now + (SECONDS if room > 0 else FULL_SECONDS))
        same = old is not None and old.rate == rate
        facts.tokens, facts.filled_at = (
            (old.tokens, old.filled_at) if old is not None and same else (burst(rate), now)
        )
        self._kept[key] = facts
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return facts
