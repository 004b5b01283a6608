"""The only door to the Redis streams: one per source, the live tail of its events.

Keys
    stream:<source id>          entries in event-id order; entry id = event id; fields
                                `c` channel, `p` payload, `m` the emitter's metadata (JSON texts)
    stream:<source id>:rebuild  a stream being rebuilt, renamed over the live one when whole

The life of an entry: committed in Postgres → appended here by the worker that still holds the
source's lease, in id order → trimmed when `STREAM_LENGTH` newer ones came. Streams are a view:
Postgres has the truth, and each of them can be rebuilt from it at any time.

An append names the id that must be the stream's newest (the published cursor). If it is not, after
a FLUSHALL, a lost second of the append-only file, or an append whose answer was lost, nothing is
appended and the caller rebuilds the stream (F2, F3). The new one takes its place only if the live
one still ends where the append saw it end: a worker that was frozen in between, and whose lease is
over, replaces nothing. Hidden (deleted) events leave by `forget`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

logger = logging.getLogger(__name__)

_NEWEST = """
local function newest_of(key)
  if redis.call('EXISTS', key) == 0 then return '0-0' end
  local info = redis.call('XINFO', 'STREAM', key)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
end
"""

# The check and the append are one step, so that no second writer can come between them. One call
# serves a whole group of streams: a command for each was twice the work for client and server.
# ARGV: length, then for each key the id expected, the number of entries, and four texts an entry.
_APPEND = f"""{_NEWEST}
local answers, at = {{}}, 2
for k = 1, #KEYS do
  local newest, expected, count = newest_of(KEYS[k]), ARGV[at], tonumber(ARGV[at + 1])
  at = at + 2
  answers[k] = newest ~= expected and newest or ''
  for i = at, at + 4 * count - 1, 4 do
    if newest == expected then
      redis.call('XADD', KEYS[k], 'MAXLEN', ARGV[1], ARGV[i],
                 'c', ARGV[i + 1], 'p', ARGV[i + 2], 'm', ARGV[i + 3])
    end
  end
  at = at + 4 * count
end
return answers
"""

# Of each stream, in one read.
READ_ENTRIES = 50

_REPLACE = f"""{_NEWEST}
if ARGV[1] ~= '' and newest_of(KEYS[1]) ~= ARGV[1] then redis.call('DEL', KEYS[2]) return 0 end
redis.call('RENAME', KEYS[2], KEYS[1])
return 1
"""

# Without a channel (ARGV[4] = '1') all but those whose name begins with a dollar sign.
_FORGET = """
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2])) do
  local channel = entry[2][2]
  if channel == ARGV[3] or (ARGV[4] == '1' and string.sub(channel, 1, 1) ~= '$') then
    redis.call('XDEL', KEYS[1], entry[1])
  end
end
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as the stream shows it. `payload` and `meta` are compact JSON."""

    ms: int
    n: int
    channel: str
    payload: bytes
    meta: bytes

    @property
    def id(self) -> str:
        return f"{self.ms}-{self.n}"


@dataclass(frozen=True, slots=True)
class Append:
    """Entries to put behind the published cursor (`after_ms`, `after_n`; 0, 0 = nothing yet)."""

    source_id: str
    after_ms: int
    after_n: int
    entries: Sequence[Entry]


def key(source_id: str) -> str:
    return f"stream:{source_id}"


class Stream:
    """Writes the streams of one Redis. Methods raise `redis.RedisError` when it is not there."""

    def __init__(self, client: redis.asyncio.Redis, length: int) -> None:
        self._redis = client
        self._length = length
        self._append = client.register_script(_APPEND)

    async def append(self, appends: Sequence[Append]) -> dict[str, str]:
        """Append all in one round trip. Returns the sources whose stream must be rebuilt, each with
        the id that its stream ends with."""
        args: list[str | int | bytes] = [self._length]
        for item in appends:
            entries = item.entries[-self._length :]
            args += (f"{item.after_ms}-{item.after_n}", len(entries))
            for entry in entries:
                args += (entry.id, entry.channel, entry.payload, entry.meta)
        answers = await self._append(keys=[key(item.source_id) for item in appends], args=args)
        return {
            item.source_id: newest.decode()
            for item, newest in zip(appends, answers, strict=True)
            if newest
        }

    async def rebuild(
        self, source_id: str, newest: str, entries: Sequence[Entry], seen: str = ""
    ) -> bool:
        """Write the stream anew, with `newest` as its last id, and put it in place in one step.

        `entries` are the newest `length` visible events, oldest first. With `seen`, the live stream
        must still end with that id; False: it does not, and nothing was changed.
        """
        live, temporary = key(source_id), f"{key(source_id)}:rebuild"
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(temporary)
        if newest == "0-0":
            pipe.delete(live)
        else:
            # An empty stream keeps its last id, so the newest may be hidden or of another length.
            pipe.xgroup_create(temporary, "none", mkstream=True)
            pipe.xgroup_destroy(temporary, "none")
            for entry in entries[-self._length :]:
                pipe.xadd(
                    temporary,
                    {"c": entry.channel, "p": entry.payload, "m": entry.meta},
                    id=entry.id,
                )
            pipe.execute_command("XSETID", temporary, newest)
            pipe.eval(_REPLACE, 2, live, temporary, seen)
        answers = await pipe.execute()
        return bool(answers[-1]) or newest == "0-0"


@dataclass(frozen=True, slots=True)
class News:
    """What came to a stream behind a cursor, in id order. `whole`: nothing in between was trimmed,
    as far as the stream can tell; else the ledger knows."""

    source_id: str
    entries: list[Entry]
    whole: bool


class Reader:
    """Follows any number of streams over one connection: the live tails of a web process.

    `interrupt` ends a `read` under way, so that the next one may follow other streams.
    """

    def __init__(self, block_seconds: float = 5.0) -> None:
        self._block_ms = int(block_seconds * 1000)
        options: dict[str, Any] = {"socket_connect_timeout": 1, "retry": Retry(NoBackoff(), 0)}
        self._blocking = redis.asyncio.Redis.from_url(
            settings.REDIS_URL,
            single_connection_client=True,
            socket_timeout=block_seconds + 5,
            **options,
        )
        self._redis = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=5, **options)
        self._client_id: int | None = None

    async def read(self, cursors: Mapping[str, tuple[int, int]]) -> list[News] | None:
        """Wait until one of these streams has entries behind its cursor (or until it is time to
        look again: an empty list). None: Redis is not there."""
        streams: dict[Any, Any] = {
            key(source_id): f"{ms}-{n}" for source_id, (ms, n) in cursors.items()
        }
        try:
            if self._client_id is None:
                self._client_id = await self._blocking.client_id()
            found = await self._blocking.xread(streams, count=READ_ENTRIES, block=self._block_ms)
            return await self._news(cursors, found) if found else []
        except (redis.RedisError, OSError) as error:
            logger.warning("streams cannot be followed: %s", error)
            self._client_id = None
            return None

    async def interrupt(self) -> None:
        """Best effort: a `read` that goes on ends by itself after `block_seconds`."""
        if self._client_id is None:
            return
        try:
            await self._redis.client_unblock(self._client_id)
        except (redis.RedisError, OSError):
            return

    async def _news(self, cursors: Mapping[str, tuple[int, int]], found: Any) -> list[News]:
        """The stream still begins at or before the cursor: so nothing behind it was trimmed."""
        pairs = found.items() if isinstance(found, dict) else found
        entries = {name.decode().removeprefix(key("")): _flat(listed) for name, listed in pairs}
        pipe = self._redis.pipeline(transaction=False)
        for source_id in entries:
            pipe.xrange(key(source_id), count=1)
        firsts = await pipe.execute()
        return [
            News(source_id, new, bool(first) and _id(first[0][0]) <= cursors[source_id])
            for (source_id, new), first in zip(entries.items(), firsts, strict=True)
        ]

    async def close(self) -> None:
        await self._blocking.aclose()
        await self._redis.aclose()


def _flat(listed: Any) -> list[Entry]:
    # The newer protocol wraps the entries of each stream in one more list.
    rows = listed[0] if listed and isinstance(listed[0], list) else listed
    return [
        Entry(*_id(entry_id), fields[b"c"].decode(), fields[b"p"], fields[b"m"])
        for entry_id, fields in rows
    ]


def _id(entry_id: bytes) -> tuple[int, int]:
    ms, _, n = entry_id.partition(b"-")
    return int(ms), int(n)


_web = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
_forget = _web.register_script(_FORGET)


def forget(source_id: str, start: str, end: str, channel: str | None) -> None:
    """Take hidden events out of the live tail: entries from `start` to `end` (ids, closed range).

    The stream's newest id stays what it was. A Redis that is not there is no trouble: the ledger
    has hidden them, and a rebuilt stream never shows them.
    """
    try:
        _forget(keys=[key(source_id)], args=[start, end, channel or "", "01"[channel is None]])
    except (redis.RedisError, OSError) as error:
        logger.warning("deleted events of %s stay in its stream: %s", source_id, error)


def drop(source_id: str) -> None:
    """Remove the stream of a deleted source; as `forget` if Redis is not there."""
    try:
        _web.delete(key(source_id))
    except (redis.RedisError, OSError) as error:
        logger.warning("the stream of %s stays: %s", source_id, error)
