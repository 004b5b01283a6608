"""Credentials of connected accounts on their way to a child (component specification 3.5, 9).

What `$auth` shows, when it is read, and where it never appears.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import psutil
import pytest
import redis

from apps.accounts.models import Account
from apps.core import secrets
from apps.core.errors import ApiError
from apps.core.ids import new_id
from apps.runs import lifecycle
from apps.sources.models import Source
from tests.making import World
from tests.services.way import quiet, running
from workers.database import in_thread
from workers.runner import Runner

TOKEN = "ghp_hunter22/+x"
AUTH = {"oauth_access_token": TOKEN, "oauth_uid": "u-4711", "port": 54321, "tls": True}

PYTHON = """
import os, sys
from headwater import App, Source, Store

class GitHub(App):
    slug = "github"

class Reader(Source):
    name = "Reader"
    github = GitHub()
    db = Store()

    def run(self, event):
        auth = dict(self.github.auth)
        try:
            self.github.auth["new"] = 1
        except TypeError:
            auth["read_only"] = True
        print("token", auth["oauth_access_token"], "port", auth["port"], "uid", auth["oauth_uid"])
        if event == "fail":
            raise ValueError("refused " + auth["oauth_access_token"])
        seen = [*os.environ.values(), *sys.argv, *sys.orig_argv]
        self.db.set("surroundings", any(auth["oauth_access_token"] in text for text in seen))
        self.emit({"length": len(auth["oauth_access_token"]), "names": list(auth)})
"""
JAVASCRIPT = """
export default {
  name: "Reader",
  props: { github: { type: "app", app: "github" }, db: "$.service.db" },
  async run(event) {
    const auth = { ...this.github.$auth };
    try { this.github.$auth.x = 1; } catch { auth.read_only = true; }
    console.log("token", auth.oauth_access_token, "port", auth.port, "uid", auth.oauth_uid);
    if (event === "fail") throw new Error("refused " + auth.oauth_access_token);
    const seen = [...Deno.args, ...Object.values(process.env)];
    this.db.set("surroundings", seen.some((text) => text.includes(auth.oauth_access_token)));
    this.$emit({ length: auth.oauth_access_token.length, names: Object.keys(auth) });
  },
};
"""
LANGUAGES = pytest.mark.parametrize(
    ("language", "code"), [("python", PYTHON), ("javascript", JAVASCRIPT)]
)


def connect(world: World, owner: str | None = None, app: str = "github", **auth: Any) -> str:
    account_id = new_id("apn")
    world.insert(
        Account,
        id=account_id,
        owner_id=owner or world.owner,
        app_slug=app,
        name="work",
        credentials=secrets.encrypt(auth or AUTH),
    )
    return account_id


def deploy(world: World, account_id: str | None, code: str = PYTHON, **more: Any) -> str:
    component = world.component(code, **more)
    props = [{"name": "github", "type": "app", "app": "github"}]
    world.sql(
        "UPDATE components_component SET props = %s WHERE id = %s", orjson.dumps(props), component
    )
    source = world.source(component)
    configured = {} if account_id is None else {"github": {"authProvisionId": account_id}}
    world.sql(
        "UPDATE sources_source SET configured_props = %s WHERE id = %s",
        orjson.dumps(configured),
        source,
    )
    return source


async def run(world: World, runner: Runner, source: str, event: bytes = b"null") -> None:
    world.queue(source, event)
    runner.offer([source])
    await quiet(world)


def clear_text(world: World, text: str) -> list[str]:
    """The tables in which a text stands in clear, be it inside bytes."""
    tables = world.sql(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'public' AND c.relkind = 'r'"
    )
    return [
        name
        for (name,) in tables
        if world.one(
            f'SELECT count(*) FROM "{name}" t'
            " WHERE position(%s IN t::text) > 0 OR position(%s IN t::text) > 0",
            text,
            text.encode().hex(),
        )
    ]


def surroundings(process: psutil.Process) -> list[str]:
    """Arguments and environment; nothing of a process that has just ended."""
    try:
        return [*process.cmdline(), *process.environ().values()]
    except psutil.Error:
        return []


@LANGUAGES
async def test_34_auth_holds_exactly_what_was_stored(
    world: World, streams: redis.Redis, language: str, code: str
) -> None:
    source = deploy(world, connect(world), code, language=language)
    async with running(world) as runner:
        await run(world, runner, source)
        processes = psutil.Process().children(recursive=True)
        told = [texts for child in processes if (texts := surroundings(child))]
    [event] = world.events(source)
    assert event.payload == {"length": len(TOKEN), "names": [*AUTH, "read_only"]}
    # Neither arguments nor environment knew it, seen from inside and from outside.
    assert world.store(source) == {"surroundings": False}
    assert len(told) > 0
    assert [text for texts in told for text in texts if TOKEN in text] == []


@LANGUAGES
async def test_34_logs_and_errors_do_not_show_it(
    world: World, streams: redis.Redis, language: str, code: str
) -> None:
    source = deploy(world, connect(world), code, language=language)
    async with running(world) as runner:
        await run(world, runner, source, b'"fail"')
    logs = [event.payload for event in world.events(source, "$logs")]
    assert "token *** port *** uid ***" in [line.get("msg") for line in logs]
    [error] = world.events(source, "$errors")
    assert "refused ***" in orjson.dumps(error.payload).decode()
    [ended] = world.runs(source)
    assert ended.error is not None
    assert ended.error["message"] == "refused ***"
    assert "refused ***" in (ended.error["stack"] or "refused ***")
    # Nowhere at rest is it in clear: rows of runs, events, state, operations; Redis.
    assert clear_text(world, TOKEN) == []
    for key in streams.keys("*"):
        assert TOKEN.encode() not in (streams.dump(key) or b"")


HOOKED = """
from headwater import App, Source, Store

class GitHub(App):
    slug = "github"

class Hooked(Source):
    name = "Hooked"
    github = GitHub()
    db = Store()

    def on_activate(self):
        print("token", self.github.auth["oauth_access_token"])
        self.db.set("length", len(self.github.auth["oauth_access_token"]))

    def run(self, event):
        pass
"""


async def test_34_hooks_have_it_too(world: World, streams: redis.Redis) -> None:
    account = connect(world)
    source = deploy(world, account, HOOKED)
    world.sql("UPDATE components_component SET hooks = %s", b'["activate"]')
    world.sql("UPDATE sources_source SET state = 'inactive'")
    async with running(world) as runner:

        async def activate() -> Source:
            row = await in_thread(Source.objects.select_related("component").get, id=source)
            changes = lifecycle.Changes(active=True)
            started = await in_thread(lifecycle.update, row, changes, world.owner)
            runner.offer([source])
            await quiet(world)
            async with asyncio.timeout(20):
                while world.one("SELECT state FROM operation ORDER BY id DESC LIMIT 1") in (
                    "queued", "running",
                ):  # fmt: skip
                    await asyncio.sleep(0.02)
            return await in_thread(lifecycle.conclude, started)

        assert (await activate()).state == "active"
        assert world.store(source) == {"length": len(TOKEN)}
        logs = [event.payload.get("msg") for event in world.events(source, "$logs")]
        assert "token ***" in logs
        world.sql("UPDATE sources_source SET state = 'inactive'")
        _delete(world, account)
        with pytest.raises(ApiError, match="is gone") as refused:
            await activate()
    assert refused.value.code == "hook_failed"


async def test_34_a_change_is_seen_by_the_next_run_of_a_warm_child(
    world: World, streams: redis.Redis
) -> None:
    account = connect(world)
    source = deploy(world, account)
    async with running(world) as runner:
        await run(world, runner, source)
        changed = {**AUTH, "oauth_access_token": "a new one"}
        world.sql("UPDATE accounts_account SET credentials = %s", secrets.encrypt(changed))
        await run(world, runner, source)
    lengths = [event.payload["length"] for event in world.events(source)]
    assert lengths == [len(TOKEN), len("a new one")]


async def test_34_without_an_account_auth_is_empty(world: World, streams: redis.Redis) -> None:
    code = PYTHON.partition("    def run")[0] + (
        "    def run(self, event):\n        self.emit(dict(self.github.auth))\n"
    )
    source = deploy(world, None, code)
    async with running(world) as runner:
        await run(world, runner, source)
    assert [event.payload for event in world.events(source)] == [{}]


def _delete(world: World, _account: str) -> None:
    world.sql("UPDATE accounts_account SET credentials = '', deleted_at = app_now()")


def _give_away(world: World, _account: str) -> None:
    world.sql("UPDATE accounts_account SET owner_id = %s", world.user())


def _rename_app(world: World, _account: str) -> None:
    world.sql("UPDATE accounts_account SET app_slug = 'slack'")


def _lose_key(world: World, _account: str) -> None:
    world.sql("UPDATE accounts_account SET credentials = 'gAAAAA'")


@pytest.mark.parametrize("harm", [_delete, _give_away, _rename_app, _lose_key])
async def test_34_an_account_that_cannot_be_used_fails_the_run_and_says_why(
    world: World, streams: redis.Redis, harm: Any
) -> None:
    account = connect(world)
    source = deploy(world, account)
    harm(world, account)
    async with running(world) as runner:
        await run(world, runner, source)
    [ended] = world.runs(source)
    assert ended.state == "failed"
    assert ended.error is not None
    assert ended.error["name"] == "Account Error"
    assert ended.error["message"].startswith(f"github: the account {account} of github ")
    [shown] = world.events(source, "$errors")
    assert account in orjson.dumps(shown.payload).decode()
    assert world.events(source) == []
