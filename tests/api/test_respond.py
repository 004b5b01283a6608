"""`respond`, through the web process and a runner with real children (component spec. 5.2, F8)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import httpx
import pytest
import redis
from django.conf import settings

from tests.api.conftest import EdgeProcess
from tests.api.live import answered, call, deploy, eventually, responding, working
from tests.making import World
from tests.servers import Server


@pytest.fixture
def base(_shared_edge: EdgeProcess) -> str:
    return _shared_edge.url


async def test_the_answer_is_the_components(world: World, base: str) -> None:
    code = responding(
        "self.http.respond(status=201, headers={'X-Mine': 'yes', 'Content-Type': 'text/x'},"
        " body=event['body'])"
    )
    answer = await answered(world, base, code, content="hello")
    assert (answer.status_code, answer.text) == (201, "hello")
    assert answer.headers["x-mine"] == "yes"
    assert answer.headers["content-type"] == "text/x"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_12_6_the_first_answer_wins(world: World, base: str) -> None:
    """A published example answers 400 on a bad secret, then runs on into a 200."""
    code = responding(
        "if event['headers'].get('secret') != 'right':\n"
        "    self.http.respond(status=400, body='wrong secret')\n"
        "self.http.respond(status=200, body='welcome')"
    )
    endpoint = deploy(world, code)
    async with working(world):
        wrong = await call(endpoint.url(base))
        right = await call(endpoint.url(base), headers={"Secret": "right"})
        assert (wrong.status_code, wrong.text) == (400, "wrong secret")
        assert (right.status_code, right.text) == (200, "welcome")
        await eventually(lambda: world.is_quiet(endpoint.source_id))
    logs = [event.payload["msg"] for event in world.events(endpoint.source_id, "$logs")]
    assert sum("respond was called again" in line for line in logs) == 1
    assert [run.state for run in world.runs(endpoint.source_id)] == ["succeeded"] * 2


async def test_12_8_the_signature_over_the_raw_body_matches(world: World, base: str) -> None:
    code = "import hashlib, hmac\n" + responding(
        "found = event.headers['X-Hub-Signature']\n"
        "assert found == event.headers['x-hub-signature']\n"
        "raw = event['bodyRaw'].encode()\n"
        "good = found == hmac.new(b'secret', raw, hashlib.sha256).hexdigest()\n"
        "self.http.respond(status=200 if good else 401)"
    )
    body = '{"text":  "ü", "n": 1.0}'.encode()
    signature = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    answer = await answered(
        world, base, code, content=body,
        headers={"X-Hub-Signature": signature, "Content-Type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 200


async def test_it_is_sent_while_the_run_goes_on(world: World, base: str) -> None:
    code = responding("self.http.respond(body='early')\ntime.sleep(60)")
    endpoint = deploy(world, code)
    async with working(world) as runner:
        answer = await call(endpoint.url(base))
        assert answer.text == "early"
        assert world.mailbox(endpoint.source_id) == 1
        await runner.stop(0)


@pytest.mark.parametrize("end", ["pass", "raise ValueError('no')", "import os; os._exit(3)"])
async def test_a_run_that_ends_without_it_is_400(world: World, base: str, end: str) -> None:
    answer = await answered(world, base, responding(end))
    assert answer.status_code == 400
    assert answer.json()["code"] == "no_response"
    assert "response" in answer.json()["error"]


async def test_no_answer_in_time_is_504_and_the_run_goes_on(
    world: World, start_edge: Callable[..., EdgeProcess]
) -> None:
    edge = start_edge(RESPOND_SECONDS="0.5")
    code = responding(
        "while not self.db.get('go'):\n    time.sleep(0.01)\n    break\n"
        "time.sleep(1)\nself.http.respond(body='late')\nself.emit({'done': True})"
    )
    endpoint = deploy(world, code)
    async with working(world):
        answer = await call(endpoint.url(edge.url))
        assert answer.status_code == 504
        assert answer.json()["code"] == "no_response"
        await eventually(lambda: world.events(endpoint.source_id))
    assert [run.state for run in world.runs(endpoint.source_id)] == ["succeeded"]


async def test_respond_without_custom_response_is_ignored_with_a_log_line(
    world: World, base: str
) -> None:
    code = responding("self.http.respond(status=500)").replace("custom_response=True", "")
    endpoint = deploy(world, code)
    async with working(world):
        assert (await call(endpoint.url(base))).json() == {"status": "accepted"}
        await eventually(lambda: world.runs(endpoint.source_id))
    logs = [event.payload["msg"] for event in world.events(endpoint.source_id, "$logs")]
    assert any("respond ignored" in line for line in logs)


async def test_f8_callers_that_wait_are_capped_and_the_next_is_not_accepted(
    world: World, start_edge: Callable[..., EdgeProcess]
) -> None:
    edge = start_edge(RESPOND_WAITERS="3", RESPOND_SECONDS="5")
    endpoint = deploy(world, responding("self.http.respond()"))
    waiting = [asyncio.create_task(call(endpoint.url(edge.url))) for _ in range(3)]
    await eventually(lambda: world.mailbox(endpoint.source_id) == 3)
    refused = await call(endpoint.url(edge.url))
    assert refused.status_code == 429
    assert refused.headers["retry-after"]
    assert world.mailbox(endpoint.source_id) == 3
    assert {(await task).status_code for task in waiting} == {504}
    async with working(world):
        assert (await call(endpoint.url(edge.url))).status_code == 200


async def test_f8_who_waits_holds_no_thread_and_no_connection(
    world: World, start_edge: Callable[..., EdgeProcess]
) -> None:
    """More callers than the process has threads and connections wait; the API goes on."""
    edge = start_edge(RESPOND_WAITERS="200")
    endpoint = deploy(world, responding("self.http.respond(body=event['path'])"))
    urls = [endpoint.url(edge.url, f"/{number}") for number in range(100)]
    waiting = [asyncio.create_task(call(url)) for url in urls]
    await eventually(lambda: world.mailbox(endpoint.source_id) == 100)
    busy = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state = 'active'"
    )
    # Those that have just been accepted may still hold one.
    await eventually(lambda: world.one(busy) < 10)
    assert (await call(f"{edge.url}/readyz", "GET")).status_code == 200
    plain = deploy(world)
    assert (await call(plain.url(edge.url))).status_code == 200
    async with working(world):
        answers = [await task for task in waiting]
    assert [answer.text for answer in answers] == [f"/{number}" for number in range(100)]


async def test_f8_the_answer_comes_without_redis_too(
    world: World, start_edge: Callable[..., EdgeProcess], valkey: Server
) -> None:
    """The poke is lost: the row is read each second."""
    edge = start_edge(REDIS_URL="redis://127.0.0.1:1/0", BROKER_URL="redis://127.0.0.1:1/1")
    endpoint = deploy(world, responding("self.http.respond(body='there')"))
    async with working(world):
        assert (await call(endpoint.url(edge.url))).text == "there"


async def test_the_poke_is_what_makes_it_quick(world: World, base: str) -> None:
    """With the second's look alone, ten answers one after the other would take five seconds."""
    endpoint = deploy(world, responding("self.http.respond()"))
    client: Any = redis.Redis.from_url(settings.REDIS_URL)
    assert client.ping()
    async with working(world), httpx.AsyncClient(timeout=30) as caller:
        await caller.post(endpoint.url(base))
        heard: Any = client.pubsub(ignore_subscribe_messages=True)
        heard.subscribe("responses")
        heard.get_message(timeout=5)
        for _ in range(10):
            await caller.post(endpoint.url(base))
        pokes = [heard.get_message(timeout=5) for _ in range(10)]
    assert all(poke and len(poke["data"]) == 32 for poke in pokes)


async def test_runs_of_a_source_overlap_when_it_allows_it(world: World, base: str) -> None:
    """`concurrency` 3: they come one after the other, and none waits for another's end."""
    code = responding(
        "self.http.respond(body=str(time.time()))\ntime.sleep(8)\nself.emit(time.time())"
    )
    endpoint = deploy(world, code, concurrency=3)
    async with working(world):
        begun = [float((await call(endpoint.url(base))).text) for _ in range(3)]
        await eventually(lambda: len(world.events(endpoint.source_id)) == 3)
    ended = [event.payload for event in world.events(endpoint.source_id)]
    assert max(begun) < min(ended)


async def test_no_more_than_it_allows_at_once(world: World, base: str) -> None:
    code = responding(
        "begun = time.time()\nself.http.respond()\ntime.sleep(0.3)\nself.emit([begun, time.time()])"
    )
    endpoint = deploy(world, code, concurrency=2)
    async with working(world):
        await asyncio.gather(*(call(endpoint.url(base)) for _ in range(7)))
        await eventually(lambda: len(world.events(endpoint.source_id)) == 7)
    spans = [event.payload for event in world.events(endpoint.source_id)]
    at_once = [sum(b <= begun < e for b, e in spans) for begun, _ in spans]
    assert max(at_once) == 2


async def test_runs_of_a_source_are_one_after_the_other_by_default(world: World, base: str) -> None:
    """C5."""
    code = responding(
        "begun = time.time()\nself.http.respond()\ntime.sleep(0.2)\nself.emit([begun, time.time()])"
    )
    endpoint = deploy(world, code)
    async with working(world):
        await asyncio.gather(*(call(endpoint.url(base)) for _ in range(4)))
        await eventually(lambda: len(world.events(endpoint.source_id)) == 4)
    spans = sorted(event.payload for event in world.events(endpoint.source_id))
    assert all(ended <= begun for (_, ended), (begun, _) in pairwise(spans))
