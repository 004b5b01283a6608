"""F4: a provider calls the endpoint while `activate` tells it of it (case 7 of the component
specification 12)."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from apps.accounts.models import User
from apps.components.models import Component
from apps.core.errors import ApiError
from apps.runs import lifecycle, queue
from apps.sources.models import Source
from tests.api.conftest import EdgeProcess
from tests.api.live import CUSTOM, eventually, working
from tests.making import World
from workers.database import in_thread

LOOPBACK = ("127.0.0.0/8",)

# Registers itself with a provider, which calls back at once and wants its header echoed.
SHAKING = """
import urllib.request

from headwater import Http, Source, Store


class Shaking(Source):
    name = "Shaking"
    version = "0.0.1"
    http = Http(custom_response=True)
    db = Store()

    def on_activate(self):
        self.db.set("before", 1)
        request = urllib.request.Request(
            self.http.endpoint, data=b"{}", headers={"X-Hook-Secret": "shaken"}, method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200, answer.status
            self.db.set("echoed", answer.headers["X-Hook-Secret"])

    def run(self, event):
        secret = event["headers"].get("x-hook-secret")
        self.db.set("seen", secret)
        self.emit({"secret": secret})
        self.http.respond(status=200, headers={"X-Hook-Secret": secret})
"""

SHAKING_JS = """
module.exports = {
  name: "Shaking", version: "0.0.1",
  props: {http: {type: "$.interface.http", customResponse: true}, db: "$.service.db"},
  hooks: {
    async activate() {
      this.db.set("before", 1);
      const answer = await fetch(this.http.endpoint, {
        method: "POST", body: "{}", headers: {"x-hook-secret": "shaken"}});
      if (answer.status !== 200) throw new Error(`status ${answer.status}`);
      this.db.set("echoed", answer.headers.get("x-hook-secret"));
    },
  },
  run(event) {
    const secret = event.headers["X-Hook-Secret"];
    this.db.set("seen", secret);
    this.$emit({secret});
    this.http.respond({status: 200, headers: {"x-hook-secret": secret}});
  },
};
"""
BROKEN = SHAKING.replace('headers={"X-Hook-Secret": secret}', "headers={}").replace(
    'self.db.set("echoed", answer.headers["X-Hook-Secret"])',
    'assert answer.headers["X-Hook-Secret"], "not echoed"',
)


@pytest.fixture
def base(_shared_edge: EdgeProcess, settings: Any) -> str:
    """Endpoints are told by the address at which the web process really listens."""
    settings.PUBLIC_URL = _shared_edge.url
    return _shared_edge.url


def _component(world: World, code: str, language: str) -> Component:
    world.insert(
        Component,
        id="sc_shake1",
        owner_id=world.owner,
        name="Shaking",
        name_slug="shaking",
        language=language,
        code=code,
        code_hash=hashlib.sha256(code.encode()).hexdigest(),
        props=[CUSTOM, {"name": "db", "type": "$.service.db"}],
        hooks=["activate"],
    )
    return Component.objects.get(id="sc_shake1")


def _create(world: World, code: str, language: str) -> lifecycle.Started:
    component = _component(world, code, language)
    owner = User.objects.get(id=world.owner)
    return lifecycle.create(owner, component, name=None, configured_props={})


async def _deployed(world: World, code: str, language: str = "python") -> Source:
    started = await in_thread(_create, world, code, language)
    assert started.operation_id is not None
    try:
        assert await queue.wait_operation(started.operation_id, 60)
    finally:
        # Of asgiref's one thread, which lives as long as the process.
        await sync_to_async(connections.close_all)()
    return await in_thread(lifecycle.conclude, started)


@pytest.mark.parametrize(("code", "language"), [(SHAKING, "python"), (SHAKING_JS, "javascript")])
async def test_12_7_the_endpoint_answers_during_activate(
    world: World, base: str, code: str, language: str
) -> None:
    async with working(world, LOOPBACK):
        source = await _deployed(world, code, language)
        assert source.state == "active"
        # What both children stored is there: state is kept key by key.
        assert world.store(source.id) == {"before": 1, "echoed": "shaken", "seen": "shaken"}
        await eventually(lambda: world.events(source.id))
        causes = [run.cause for run in world.runs(source.id)]
        assert causes == ["http", "activate"]
        # And after it, as any other.
        url = f"{base}/h/{source.endpoint_key}"
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(url, headers={"x-hook-secret": "again"})
        assert answer.headers["x-hook-secret"] == "again"


async def test_a_handshake_that_fails_leaves_nothing(world: World, base: str) -> None:
    async with working(world, LOOPBACK):
        with pytest.raises(ApiError) as refused:
            await _deployed(world, BROKEN)
    assert (refused.value.status, refused.value.code) == (400, "hook_failed")
    assert world.one("SELECT state FROM sources_source") == "failed"
    assert world.mailbox() == 0


async def test_many_calls_during_activate_are_all_answered(world: World, base: str) -> None:
    """The provider calls more than once before it is satisfied."""
    code = SHAKING.replace("        request =", "        for _ in range(5): self.shake()\n\n"
                           "    def shake(self):\n        request =")  # fmt: skip
    async with working(world, LOOPBACK):
        source = await _deployed(world, code)
        assert [run.cause for run in world.runs(source.id)] == ["http"] * 5 + ["activate"]
