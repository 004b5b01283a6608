"""The live tail: events and log lines arrive under an operator's session, and end with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest
import redis
from django.conf import settings

from apps.accounts.models import User
from apps.sources.models import Source
from tests.admin.operating import address
from tests.admin.visiting import log_in, operator
from tests.api.conftest import EdgeProcess
from tests.api.following import SECONDS, Follower, Tail
from tests.making import World
from tests.servers import Server

NEEDED = ("sources.view_source", "events.view_event")


@pytest.fixture
def base(_shared_edge: EdgeProcess) -> str:
    return _shared_edge.url


@pytest.fixture
def source(world: World) -> Source:
    return Source.objects.get(id=world.source(world.component()))


@pytest.fixture
def tail(world: World, source: Source, valkey: Server) -> Iterator[Tail]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushall()
    yield Tail(world, source.id, client)
    client.flushall()
    client.close()


@pytest.fixture
def olga(world: World) -> User:
    return operator(world, *NEEDED)


@pytest.fixture
def session(olga: User) -> str:
    return log_in(olga)


@asynccontextmanager
async def following(url: str, session: str, **headers: str) -> AsyncIterator[Follower]:
    """The stream of the page, with a session's cookie and nothing else."""
    cookies = {settings.SESSION_COOKIE_NAME: session}
    async with httpx.AsyncClient(timeout=SECONDS, cookies=cookies) as client:
        async with client.stream("GET", url, headers=headers) as response:
            yield Follower(response)


async def get(url: str, session: str) -> httpx.Response:
    cookies = {settings.SESSION_COOKIE_NAME: session}
    async with httpx.AsyncClient(timeout=SECONDS, cookies=cookies) as client:
        return await client.get(url)


async def test_events_and_log_lines_arrive(
    base: str, source: Source, tail: Tail, session: str
) -> None:
    async with following(base + address(source, "stream"), session) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.response.headers["cache-control"].count("no-store")
        assert await stream.line() == ":sse-handshake"
        sent = [tail.emit(b'{"n":1}'), tail.emit(b'{"kind":"log"}', channel="$logs")]
        got = await stream.events(2)
    assert [event.id for event in got] == sent
    assert [event.name for event in got] == [None, "$logs"]
    assert orjson.loads(got[0].data)["event"] == {"n": 1}


async def test_it_goes_on_where_it_was(base: str, source: Source, tail: Tail, session: str) -> None:
    sent = [tail.emit() for _ in range(3)]
    url = base + address(source, "stream")
    async with following(url, session, **{"Last-Event-ID": sent[0]}) as stream:
        assert [event.id for event in await stream.events(2)] == sent[1:]
    async with following(url, session, **{"Last-Event-ID": "<b>"}) as stream:
        assert stream.response.status_code == 400


ENDS = {
    "logged-out": "DELETE FROM django_session",
    "switched-off": "UPDATE accounts_user SET is_active = false WHERE is_staff",
    "staff-no-more": "UPDATE accounts_user SET is_staff = false",
    "another-password": "UPDATE accounts_user SET password = 'x' WHERE is_staff",
    "without-permission": "DELETE FROM accounts_user_user_permissions",
    "source-deleted": "UPDATE sources_source SET state = 'deleted'",
}


@pytest.mark.parametrize("end", ENDS)
async def test_it_ends_with_the_session_and_the_right_to_look(
    base: str, source: Source, world: World, session: str, end: str
) -> None:
    async with following(base + address(source, "stream"), session) as stream:
        assert await stream.line() == ":sse-handshake"
        world.sql(ENDS[end])
        await stream.end()


@pytest.fixture
def other_session(world: World) -> str:
    return log_in(operator(world, *NEEDED))


async def test_an_operator_follows_the_sources_of_others(
    base: str, source: Source, world: World, session: str, other_session: str, tail: Tail
) -> None:
    """Also of one who is switched off."""
    url = base + address(source, "stream")
    async with following(url, session) as stream, following(url, other_session) as ending:
        world.sql("UPDATE accounts_user SET is_active = false WHERE NOT is_staff")
        world.sql("DELETE FROM django_session WHERE session_key = %s", other_session)
        # After this end each stream was looked at.
        await ending.end()
        sent = tail.emit()
        assert (await stream.event()).id == sent


@pytest.fixture(params=[(), NEEDED[:1], NEEDED[1:]], ids=["none", "sources", "events"])
def narrow_session(world: World, request: pytest.FixtureRequest) -> str:
    return log_in(operator(world, *request.param))


async def test_who_may_not_look(base: str, source: Source, narrow_session: str) -> None:
    for what in ("tail", "stream"):
        assert (await get(base + address(source, what), narrow_session)).status_code == 403


async def test_strangers_are_sent_to_the_login(base: str, source: Source) -> None:
    for what in ("tail", "stream"):
        answer = await get(base + address(source, what), "x" * 32)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/admin/login/")


async def test_the_page(base: str, source: Source, session: str) -> None:
    answer = await get(base + address(source, "tail"), session)
    assert f'data-stream="{address(source, "stream")}"' in answer.text
    assert 'src="/static/panel/tail.js"' in answer.text
    assert "https:" not in answer.headers["content-security-policy"]
    assert "Live tail" in (await get(base + address(source), session)).text
