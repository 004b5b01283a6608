"""Every live event stream of one web process, fed by one reader of Redis.

    Redis streams → Reader → topic (a source) → its clients' queues
    ledger        → a client that has just come, or fell behind

A topic's cursor says how far its clients have been told. Entries from Redis continue it, unless the
stream may have been trimmed in between: then its clients read the ledger, each from where it is.
The ledger is asked which sources went on: every two seconds, since an entry that Redis loses before
it was read would be told with the next one only, and once a second while Redis is away. So nothing
is lost or told twice, whatever becomes of Redis: ids rise, and every client drops what is not
behind its own.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import psycopg
from django.db import DatabaseError, connections
from psycopg_pool import PoolTimeout

from apps.api.connections import Pool, open_pool, using
from apps.api.sse.client import Client, Framed, Id, Topic, framed
from apps.core.about import apart
from apps.events import tail
from apps.events.stream import Entry, News, Reader

logger = logging.getLogger(__name__)

CONNECTIONS = 3
# Under load the streams are asked no more often than this.
GATHER_SECONDS = 0.01
AWAY_SECONDS = 1.0
GUARD_SECONDS = 2.0

_NEWEST = "SELECT source_id, last_ms, last_n FROM actor WHERE source_id = ANY(%(ids)s)"

# Of open streams those whose source is gone, or whose key is no longer good. Those without a key
# are an operator's: of any source.
_UNWANTED = """
SELECT u.place FROM unnest(%(sources)b::text[], %(users)b::text[], %(keys)b::bytea[])
  WITH ORDINALITY AS u(source_id, user_id, digest, place)
WHERE NOT EXISTS (
  SELECT FROM sources_source s WHERE s.id = u.source_id AND s.state IN ('active', 'inactive')
  AND (u.digest IS NULL OR s.owner_id = u.user_id))
OR u.digest IS NOT NULL AND NOT EXISTS (
  SELECT FROM accounts_apikey k JOIN accounts_user a ON a.id = k.user_id
  WHERE k.sha256 = u.digest AND k.user_id = u.user_id AND k.revoked_at IS NULL AND a.is_active
    AND (k.expires_at IS NULL OR k.expires_at > app_now()))
"""


class Hub:
    def __init__(self) -> None:
        self._pool: Pool = open_pool(CONNECTIONS)
        self._reader = Reader()
        self._topics: dict[str, Topic] = {}
        self._news = asyncio.Event()
        self._followed: frozenset[str] = frozenset()
        self._tasks: list[asyncio.Task[None]] = []
        self._nudging: asyncio.Task[None] | None = None

    async def join(self, client: Client) -> Topic:
        """From now on the client is told; it begins behind, and reads the ledger first."""
        source_id = client.stream.source_id
        newest = (await self._newest([source_id])).get(source_id, (0, 0))
        topic = self._topics.setdefault(source_id, Topic(source_id, newest))
        after = client.stream.after
        client.position = newest if after is None else min(after, newest)
        topic.clients.add(client)
        self._begin()
        if source_id not in self._followed and (self._nudging is None or self._nudging.done()):
            self._nudging = apart(asyncio.create_task, self._nudge())
        return topic

    def leave(self, client: Client, topic: Topic) -> None:
        topic.clients.discard(client)
        if not topic.clients and self._topics.get(topic.source_id) is topic:
            del self._topics[topic.source_id]

    async def page(self, source_id: str, channel: str | None, after: Id, limit: int) -> list[Entry]:
        async with using(self._pool) as connection:
            return await tail.page(connection, source_id, channel, after, limit)

    async def close(self) -> None:
        for topic in self._topics.values():
            for client in topic.clients:
                client.close()
        tasks = [*self._tasks, *([self._nudging] if self._nudging else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._reader.close()
        await self._pool.close()

    # --- the loops ------------------------------------------------------------------------------

    def _begin(self) -> None:
        if not self._tasks:
            self._tasks = [
                apart(asyncio.create_task, self._forever(self._follow), name="follow"),
                apart(asyncio.create_task, self._forever(self._guard), name="guard"),
            ]
        self._news.set()

    async def _forever(self, step: Any) -> None:
        while True:
            try:
                await step()
            except (psycopg.Error, DatabaseError, PoolTimeout, OSError) as error:
                logger.warning("event streams: the database does not answer: %s", error)
                await asyncio.sleep(AWAY_SECONDS)
            except Exception:  # all event streams hang on this loop
                logger.exception("event streams: a step failed, trying again")
                await asyncio.sleep(AWAY_SECONDS)

    async def _follow(self) -> None:
        if not self._topics:
            self._followed = frozenset()
            self._news.clear()
            await self._news.wait()
        cursors = {topic.source_id: topic.cursor for topic in self._topics.values()}
        self._followed = frozenset(cursors)
        news = await self._reader.read(cursors)
        if news is None:
            await self._ask_the_ledger()
            await asyncio.sleep(AWAY_SECONDS)
            return
        for item in news:
            self._tell(item)
        if news:
            await asyncio.sleep(GATHER_SECONDS)

    async def _nudge(self) -> None:
        """Until the reader follows every topic: it may not have begun to wait when it is woken."""
        while not self._followed.issuperset(self._topics):
            await self._reader.interrupt()
            await asyncio.sleep(GATHER_SECONDS)

    def _tell(self, news: News) -> None:
        topic = self._topics.get(news.source_id)
        if topic is None:
            return
        newest = (news.entries[-1].ms, news.entries[-1].n)
        if news.whole:
            self._push(topic, news.entries)
        else:
            for client in topic.clients:
                client.fall_behind()
        topic.cursor = max(topic.cursor, newest)

    def _push(self, topic: Topic, entries: list[Entry]) -> None:
        ready = [client for client in topic.clients if not client.behind]
        wanted: list[Framed] = [
            framed(topic.source_id, entry)
            for entry in entries
            if any(client.wants(entry.channel) for client in ready)
        ]
        for client in ready:
            client.push(wanted)

    async def _ask_the_ledger(self) -> None:
        newest = await self._newest(list(self._topics))
        for topic in self._topics.values():
            last = newest.get(topic.source_id, topic.cursor)
            if last > topic.cursor:
                topic.cursor = last
                for client in topic.clients:
                    client.fall_behind()

    async def _guard(self) -> None:
        """Close the streams of deleted sources, revoked keys and ended sessions; tell what Redis
        lost."""
        await asyncio.sleep(GUARD_SECONDS)
        clients = [client for topic in self._topics.values() for client in topic.clients]
        if not clients:
            return
        values = {
            "sources": [client.stream.source_id for client in clients],
            "users": [client.stream.user_id for client in clients],
            "keys": [client.stream.key_digest for client in clients],
        }
        async with using(self._pool) as connection:
            cursor = await connection.execute(_UNWANTED, values)
            for (place,) in await cursor.fetchall():
                clients[place - 1].close()
        asked = [client for client in clients if client.stream.good]
        if asked:
            for client in await asyncio.to_thread(_ended, asked):
                client.close()
        await self._ask_the_ledger()

    async def _newest(self, source_ids: list[str]) -> dict[str, Id]:
        async with using(self._pool) as connection:
            cursor = await connection.execute(_NEWEST, {"ids": source_ids})
            return {row[0]: (row[1], row[2]) for row in await cursor.fetchall()}


def _ended(clients: list[Client]) -> list[Client]:
    """Those whose session may no longer look. In a thread, whose connection is given back."""
    try:
        return [client for client in clients if client.stream.good and not client.stream.good()]
    finally:
        connections.close_all()
