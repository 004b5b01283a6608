"""Access tokens are renewed before a run, once for all who want one, against a real provider that
takes each refresh token once (tests.oauth_server)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import psycopg
import pytest
import redis

from apps.accounts import oauth
from apps.accounts.connecting import redirect_uri
from apps.accounts.models import OAuthClient
from apps.accounts.oauth import ACCESS, REFRESH
from apps.core import secrets
from apps.sources.resolving import Need, Resolved
from tests.making import World
from tests.oauth_provider import HOST, Provider, providing
from tests.services.test_credentials_way import connect, deploy, run
from tests.services.way import running
from workers.accounts import Accounts, NotGranted
from workers.database import Line

SOON, LATER, PAST = "app_now()", "app_now() + interval '1 hour'", "app_now() - interval '1 second'"
READER = """
from headwater import App, Source

class GitHub(App):
    slug = "github"

class Reader(Source):
    name = "Reader"
    github = GitHub()

    def run(self, event):
        self.emit({name: value[::-1] for name, value in self.github.auth.items()})
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with providing(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture
def provider(started: Provider, world: World) -> Iterator[Provider]:
    started.reset()
    given = started.settings()
    given["client_secret"] = secrets.encrypt(given["client_secret"])
    world.insert(OAuthClient, **given)
    yield started
    started.reset()


async def ask(provider: Provider, request: oauth.Request) -> tuple[int, bytes]:
    client = provider.client()
    answer = await client.exchange(
        request.method, request.url, request.headers, request.body, longest=100_000
    )
    await client.close()
    return answer


async def credentials(provider: Provider) -> dict[str, Any]:
    """A grant of the provider's, as a browser gets one."""
    settings, verifier = provider.as_settings(), oauth.new_verifier()
    back = provider.browse(oauth.authorization_url(settings, redirect_uri(), "s", verifier))
    [code] = parse_qs(urlsplit(back.headers["location"]).query)["code"]
    request = oauth.code_request(settings, code, redirect_uri(), verifier)
    return oauth.read_token(settings, *await ask(provider, request)).credentials


def put(world: World, given: dict[str, Any], refresh_at: str, expires_at: str) -> str:
    account = connect(world, **given)
    world.sql(f"UPDATE accounts_account SET refresh_at = {refresh_at}, expires_at = {expires_at}")
    return account


def stored(world: World) -> dict[str, Any]:
    found = secrets.decrypt(world.one("SELECT credentials FROM accounts_account"))
    assert isinstance(found, dict)
    return found


@asynccontextmanager
async def worker(
    world: World, provider: Provider, line: Line | None = None
) -> AsyncIterator[Accounts]:
    accounts = Accounts(line or Line(world.dsn), provider.client())
    try:
        yield accounts
    finally:
        await accounts.stop(20)


async def granted(accounts: Accounts, world: World, account: str) -> dict[str, Any]:
    wanted = Resolved(b'{"github":{"auth":{}}}', (), (Need("github", "github", account),))
    found = await accounts.grant(world.owner, wanted)
    auth: dict[str, Any] = orjson.loads(found.props)["github"]["auth"]
    assert set(found.masked) == set(auth.values())
    return auth


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.02)


async def test_34_a_run_has_the_token_that_was_renewed_for_it(
    world: World, streams: redis.Redis, provider: Provider, settings: Any
) -> None:
    settings.EGRESS_ALLOW = [f"127.0.0.1/32:{provider.port}"]
    settings.EGRESS_RESOLVE = [f"{HOST}=127.0.0.1"]
    settings.EGRESS_CA = str(provider.authority)
    old = {**await credentials(provider), "oauth_uid": "u-4711"}
    source = deploy(world, put(world, old, SOON, LATER), READER)
    async with running(world) as runner:
        await run(world, runner, source)
        await run(world, runner, source)
    new = stored(world)
    assert new["oauth_uid"] == "u-4711"
    assert new[ACCESS] != old[ACCESS]
    assert new[REFRESH] != old[REFRESH]
    shown = {name: value[::-1] for name, value in new.items()}
    assert [event.payload for event in world.events(source)] == [shown, shown]
    assert provider.facts["refreshes"] == 1
    [(version, left)] = world.sql(
        "SELECT version, extract(epoch FROM refresh_at - app_now())::int FROM accounts_account"
    )
    assert version == 2
    # An hour, less the margin.
    assert 3000 < left < 3300


async def test_34_a_token_that_is_fresh_is_left_alone(world: World, provider: Provider) -> None:
    old = await credentials(provider)
    account = put(world, old, LATER, LATER)
    async with worker(world, provider) as accounts:
        assert await granted(accounts, world, account) == old
    assert provider.facts["refreshes"] == 0


class Counted(Line):
    """Counts what is done on it."""

    uses = 0

    async def __aenter__(self) -> psycopg.AsyncConnection[Any]:
        self.uses += 1
        return await super().__aenter__()


async def test_34_one_renewal_at_a_time_in_one_worker_and_in_two(
    world: World, provider: Provider
) -> None:
    """The provider takes a refresh token once: a second renewal would end the grant."""
    account = put(world, await credentials(provider), SOON, LATER)
    provider.control(gate=True)
    line = Counted(world.dsn)
    async with worker(world, provider) as first, worker(world, provider, line) as second:
        ours = [asyncio.create_task(granted(first, world, account)) for _ in range(5)]
        await eventually(lambda: provider.facts["waiting"])
        theirs = [asyncio.create_task(granted(second, world, account)) for _ in range(5)]
        # They have seen that somebody is at it, and look again.
        await eventually(lambda: line.uses > 10)
        assert provider.facts["refreshes"] == 1
        provider.control(gate=False)
        found = await asyncio.gather(*ours, *theirs)
    assert all(auth == stored(world) for auth in found)
    assert provider.facts["refreshes"] == 1


async def test_34_a_grant_that_was_revoked_fails_the_run_and_is_not_asked_for_again(
    world: World, streams: redis.Redis, provider: Provider, settings: Any
) -> None:
    settings.EGRESS_ALLOW = [f"127.0.0.1/32:{provider.port}"]
    settings.EGRESS_RESOLVE = [f"{HOST}=127.0.0.1"]
    settings.EGRESS_CA = str(provider.authority)
    account = put(world, await credentials(provider), PAST, PAST)
    source = deploy(world, account, READER)
    provider.revoke()
    async with running(world) as runner:
        await run(world, runner, source)
        await run(world, runner, source)
    for ended in world.runs(source):
        assert ended.error is not None
        assert ended.error["name"] == "Account Error"
        for part in (account, "could not be renewed", "invalid_grant", "/v1/connect/github"):
            assert part in ended.error["message"]
    assert provider.facts["refreshes"] == 1
    assert "invalid_grant" in world.one("SELECT error FROM accounts_account")


async def test_34_a_provider_that_is_ill_costs_nothing_while_the_token_lives(
    world: World, provider: Provider
) -> None:
    old = await credentials(provider)
    account = put(world, old, SOON, LATER)
    provider.control(status=503, error="<html>")
    async with worker(world, provider) as accounts:
        assert await granted(accounts, world, account) == old
        assert await granted(accounts, world, account) == old
        # Not asked again within the pause.
        assert provider.facts["refreshes"] == 1
        world.sql(f"UPDATE accounts_account SET expires_at = {PAST}")
        with pytest.raises(NotGranted, match="could not be renewed: the provider answered 503"):
            await granted(accounts, world, account)
        provider.control(status=0)
        world.move_clock(31)
        assert await granted(accounts, world, account) == stored(world) != old
    assert world.one("SELECT error FROM accounts_account") == ""


async def test_34_what_the_owner_puts_in_meanwhile_stays(world: World, provider: Provider) -> None:
    account = put(world, await credentials(provider), SOON, LATER)
    provider.control(gate=True)
    async with worker(world, provider) as accounts:
        waiting = asyncio.create_task(granted(accounts, world, account))
        await eventually(lambda: provider.facts["waiting"])
        world.sql(
            "UPDATE accounts_account SET credentials = %s, version = version + 1,"
            " refresh_at = NULL, expires_at = NULL, refreshing_until = NULL",
            secrets.encrypt({"api_key": "mine"}),
        )
        provider.control(gate=False)
        assert await waiting == {"api_key": "mine"} == stored(world)


async def test_34_a_worker_that_died_while_renewing_delays_the_next_for_a_bounded_time(
    world: World, provider: Provider
) -> None:
    account = put(world, await credentials(provider), SOON, LATER)
    world.sql("UPDATE accounts_account SET refreshing_until = app_now() + interval '40 seconds'")
    line = Counted(world.dsn)
    async with worker(world, provider, line) as accounts:
        waiting = asyncio.create_task(granted(accounts, world, account))
        await eventually(lambda: line.uses > 3)
        assert provider.facts["refreshes"] == 0
        world.move_clock(41)
        assert await waiting == stored(world)
    assert provider.facts["refreshes"] == 1


async def test_34_a_token_on_its_way_is_kept_though_its_run_was_given_up(
    world: World, provider: Provider
) -> None:
    """Neither a cancelled run nor a database connection that breaks costs the only good token."""
    old = await credentials(provider)
    account = put(world, old, SOON, LATER)
    provider.control(gate=True)
    async with worker(world, provider) as accounts:
        waiting = asyncio.create_task(granted(accounts, world, account))
        await eventually(lambda: provider.facts["waiting"])
        waiting.cancel()
        assert world.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query ILIKE '%accounts_oauthclient%'"
            " AND pid <> pg_backend_pid()"
        )
        provider.control(gate=False)
        await eventually(lambda: stored(world) != old)
    async with worker(world, provider) as accounts:
        assert await granted(accounts, world, account) == stored(world)
    assert provider.facts["refreshes"] == 1


def _no_settings(world: World) -> None:
    world.sql("DELETE FROM accounts_oauthclient")


def _lost_key(world: World) -> None:
    world.sql("UPDATE accounts_oauthclient SET client_secret = 'gAAAAA'")


def _forbidden_address(world: World) -> None:
    world.sql("UPDATE accounts_oauthclient SET token_url = 'https://127.0.0.2/token'")


def _no_refresh_token(world: World) -> None:
    world.sql("UPDATE accounts_account SET credentials = %s", secrets.encrypt({ACCESS: "a-token"}))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_no_settings, "the operator has no client settings for github"),
        (_lost_key, "encrypted with another key"),
        (_forbidden_address, "blocked_address"),
        (_no_refresh_token, "no refresh token"),
    ],
)
async def test_34_what_stands_in_the_way_is_told(
    world: World, provider: Provider, caplog: pytest.LogCaptureFixture, harm: Any, told: str
) -> None:
    given = await credentials(provider)
    account = put(world, given, PAST, PAST)
    harm(world)
    caplog.set_level(logging.DEBUG)
    async with worker(world, provider) as accounts:
        with pytest.raises(NotGranted, match=told):
            await granted(accounts, world, account)
    assert told in world.one("SELECT error FROM accounts_account")
    for secret in (given[ACCESS], given[REFRESH], provider.settings()["client_secret"]):
        assert secret not in caplog.text
