"""A source with an endpoint, and a runner with real children beside the web process."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import string
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from apps.accounts import keys
from apps.accounts.models import ApiKey
from apps.components.models import Component
from apps.core.ids import new_id
from apps.runs.mailbox import run_id
from apps.sources.models import Source
from tests.making import World
from tests.services.way import database_url
from workers.database import in_thread
from workers.runner import Runner
from workers.runtime.pool import Runtime
from workers.settings import runner_settings, runtime_settings

HTTP = "$.interface.http"
CUSTOM = {"name": "http", "type": HTTP, "customResponse": True}
PLAIN = {"name": "http", "type": HTTP}

# Keeps what it gets: emits it.
ECHO = """
from headwater import Http, Source


class Echo(Source):
    name = "Echo"
    version = "0.0.1"
    http = Http()

    def run(self, event):
        self.emit(dict(event))
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    source_id: str
    key: str
    component_id: str

    def url(self, base: str, path: str = "") -> str:
        return f"{base}/h/{self.key}{path}"

    def run(self, name: str) -> str:
        return str(run_id(self.source_id, "http", name))


def responding(body: str) -> str:
    """A component that answers by itself; `body` is the code of its `run`."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    return (
        "import time\nfrom headwater import Http, Source, Store\n\n\nclass Answers(Source):\n"
        '    name = "Answers"\n    version = "0.0.1"\n    http = Http(custom_response=True)\n'
        f"    db = Store()\n\n    def run(self, event):\n{lines}\n"
    )


def deploy(world: World, code: str = ECHO, *, language: str = "python", **columns: Any) -> Endpoint:
    """An active source with an endpoint; `customResponse` as its code says."""
    component, source = new_id("sc"), new_id("dc")
    custom = "custom_response=True" in code or "customResponse: true" in code
    world.insert(
        Component,
        id=component,
        owner_id=world.owner,
        name="Test",
        name_slug="test",
        language=language,
        code=code,
        code_hash=hashlib.sha256(code.encode()).hexdigest(),
        props=[CUSTOM if custom else PLAIN, {"name": "db", "type": "$.service.db"}],
    )
    key = "".join(secrets.choice(string.digits + string.ascii_lowercase) for _ in range(32))
    values = {"state": "active", "name": source, "name_slug": source, **columns}
    world.insert(
        Source,
        id=source,
        owner_id=world.owner,
        component_id=component,
        endpoint_key=key,
        **values,
    )
    world.sql("INSERT INTO actor (source_id) VALUES (%s)", source)
    world.sql("INSERT INTO component_state (source_id) VALUES (%s)", source)
    return Endpoint(source, key, component)


def make_key(world: World) -> str:
    """An API key of the world's owner."""
    text = keys.generate()
    world.insert(
        ApiKey,
        user_id=world.owner,
        name="test",
        prefix=text[: keys.SHOWN],
        sha256=keys.digest(text),
    )
    return text


@pytest.fixture
def world(test_database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """An empty database with one owner, committed for all to see; empty again afterwards."""
    with django_db_blocker.unblock():
        made = World(database_url())
        made.begin()
        yield made
    made.clear()
    made.sql("DELETE FROM http_response; DELETE FROM idempotency")
    made.close()


@asynccontextmanager
async def working(world: World, egress: tuple[str, ...] = ()) -> AsyncIterator[Runner]:
    """A started runner that finds its work by itself."""
    settings = replace(runner_settings(), database_url=world.dsn, claim_seconds=0.05)
    runner = Runner(settings, Runtime(replace(runtime_settings(), egress_allow=egress)))
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop(5)


async def eventually(check: Callable[[], Any], within_s: float = 20) -> Any:
    """What `check` gives, as soon as it is true; asked in a thread."""
    async with asyncio.timeout(within_s):
        while not (found := await in_thread(check)):
            await asyncio.sleep(0.02)
        return found


def payloads(world: World, endpoint: Endpoint) -> list[Any]:
    """The events that wait in the source's mailbox, oldest first."""
    rows = world.sql(
        "SELECT payload FROM mailbox WHERE source_id = %s AND cause = 'http' ORDER BY id",
        endpoint.source_id,
    )
    return [httpx.Response(200, content=bytes(row[0])).json() for row in rows]


async def call(url: str, method: str = "POST", **options: object) -> httpx.Response:
    # Plain HTTP: reading certificates for each of a hundred calls at once took the loop seconds.
    async with httpx.AsyncClient(timeout=60, verify=False) as client:
        return await client.request(method, url, **options)  # type: ignore[arg-type]


async def answered(
    world: World, base: str, code: str, *, language: str = "python", **options: object
) -> httpx.Response:
    endpoint = deploy(world, code, language=language)
    async with working(world):
        return await call(endpoint.url(base), **options)  # type: ignore[arg-type]
