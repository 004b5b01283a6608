"""The Redis streams: a view that is appended to in order, or written anew."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis
from django.conf import settings

from apps.events.stream import Append, Entry, Stream
from tests.making import entries

pytestmark = pytest.mark.usefixtures("valkey")
SOURCE = "dc_stream"


def made(*numbers: int) -> list[Entry]:
    return [Entry(100 + number, 0, "", b"%d" % number, b"{}") for number in numbers]


def append(after: int, *numbers: int) -> Append:
    """Entries behind the one numbered `after` (0: the first of all)."""
    return Append(SOURCE, 100 + after if after else 0, 0, made(*numbers))


def payloads(client: redis.Redis, source: str = SOURCE) -> list[int]:
    return [int(entry[2]) for entry in entries(client, source)]


@pytest.fixture
async def stream(streams: redis.Redis) -> AsyncIterator[Stream]:
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    yield Stream(client, 5)
    await client.aclose()


async def test_entries_follow_each_other(stream: Stream, streams: redis.Redis) -> None:
    """G6."""
    assert await stream.append([append(0, 1, 2)]) == {}
    assert await stream.append([append(2, 3)]) == {}
    assert payloads(streams) == [1, 2, 3]
    assert entries(streams, SOURCE)[0] == ("101-0", "", b"1", b"{}")


async def test_an_append_twice_has_one_effect(stream: Stream, streams: redis.Redis) -> None:
    """Its answer was lost: the second is told where the stream stands, and nothing is added."""
    await stream.append([append(0, 1, 2)])
    assert await stream.append([append(0, 1, 2)]) == {SOURCE: "102-0"}
    assert payloads(streams) == [1, 2]


async def test_a_gap_is_refused(stream: Stream, streams: redis.Redis) -> None:
    """F3: the stream was flushed, and the next event must not stand alone in it."""
    await stream.append([append(0, 1)])
    streams.flushdb()
    assert await stream.append([append(1, 2)]) == {SOURCE: "0-0"}
    assert payloads(streams) == []


async def test_one_stale_stream_stops_no_other(stream: Stream, streams: redis.Redis) -> None:
    other = Append("dc_other", 0, 0, made(1))
    assert await stream.append([append(7, 8), other]) == {SOURCE: "0-0"}
    assert payloads(streams, "dc_other") == [1]


async def test_a_rebuilt_stream_takes_the_place_of_the_old(
    stream: Stream, streams: redis.Redis
) -> None:
    await stream.append([append(0, 1, 2)])
    assert await stream.rebuild(SOURCE, "104-0", made(2, 3, 4), "102-0")
    assert payloads(streams) == [2, 3, 4]
    assert await stream.append([append(4, 5)]) == {}
    assert streams.keys("*:rebuild") == []


async def test_a_stream_that_moved_on_is_not_replaced(stream: Stream, streams: redis.Redis) -> None:
    """F2: whoever appended in between holds the lease; the one who rebuilds does not."""
    await stream.append([append(0, 1, 2, 3)])
    assert not await stream.rebuild(SOURCE, "102-0", made(1, 2), "101-0")
    assert payloads(streams) == [1, 2, 3]
    assert streams.keys("*:rebuild") == []


async def test_a_stream_whose_newest_event_is_hidden_still_ends_with_it(
    stream: Stream, streams: redis.Redis
) -> None:
    assert await stream.rebuild(SOURCE, "109-0", made(1, 2), "0-0")
    assert payloads(streams) == [1, 2]
    assert await stream.append([append(9, 10)]) == {}
    assert await stream.rebuild(SOURCE, "120-0", [])
    assert payloads(streams) == []
    assert await stream.append([append(20, 21)]) == {}


async def test_only_the_newest_are_kept(stream: Stream, streams: redis.Redis) -> None:
    await stream.append([append(0, *range(1, 9))])
    assert payloads(streams) == [4, 5, 6, 7, 8]
    await stream.append([append(8, 9)])
    assert payloads(streams) == [5, 6, 7, 8, 9]
    await stream.rebuild(SOURCE, "109-0", made(*range(1, 10)))
    assert payloads(streams) == [5, 6, 7, 8, 9]


async def test_a_full_redis_refuses_and_is_caught_up_with(
    stream: Stream, streams: redis.Redis
) -> None:
    """15: a refused XADD is no repeat; the next one finds the gap."""
    await stream.append([append(0, 1)])
    streams.config_set("maxmemory", "1")
    with pytest.raises(redis.RedisError):
        await stream.append([append(1, 2)])
    streams.config_set("maxmemory", "0")
    assert payloads(streams) == [1]
    assert await stream.append([append(1, 2)]) == {}
    assert payloads(streams) == [1, 2]
