"""`Idempotency-Key`: within a day, the same key is one effect and one answer (design section 7)."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.db import connection

from tests.api.conftest import Api, EdgeProcess, assert_error, make_component, make_source
from tests.api.live import Endpoint, deploy, eventually, make_key, payloads, responding, working
from tests.making import COUNTER, World
from workers import sweeper

SECONDS = 30


@pytest.fixture
def base(_shared_edge: EdgeProcess) -> str:
    return _shared_edge.url


# --- endpoints of sources ---------------------------------------------------------------------


@pytest.fixture
def endpoint(world: World) -> Endpoint:
    return deploy(world)


def _post(url: str, key: str, content: bytes = b"{}") -> httpx.Response:
    return httpx.post(url, content=content, headers={"Idempotency-Key": key}, timeout=SECONDS)


def test_an_endpoint_takes_the_same_key_once(world: World, base: str, endpoint: Endpoint) -> None:
    url, other = endpoint.url(base), deploy(world)
    assert [_post(url, "k").status_code for _ in range(3)] == [200] * 3
    assert len(payloads(world, endpoint)) == 1
    assert _post(url, "K").status_code == 200
    assert _post(other.url(base), "k").status_code == 200
    assert (len(payloads(world, endpoint)), len(payloads(world, other))) == (2, 1)


@pytest.mark.parametrize("how", ["body", "path", "query"])
def test_an_endpoint_refuses_another_request_under_the_same_key(
    world: World, base: str, endpoint: Endpoint, how: str
) -> None:
    assert _post(endpoint.url(base, "/a?x=1"), "k").status_code == 200
    path = {"body": "/a?x=1", "path": "/b?x=1", "query": "/a?x=2"}[how]
    answer = _post(endpoint.url(base, path), "k", b"other" if how == "body" else b"{}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert len(payloads(world, endpoint)) == 1


def test_callers_of_an_endpoint_at_once_are_one_run(
    world: World, base: str, endpoint: Endpoint
) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: _post(endpoint.url(base), "k").status_code, range(32)))
    assert answers == [200] * 32
    assert len(payloads(world, endpoint)) == 1


async def test_a_repeated_request_is_one_run_and_has_its_answer(world: World, base: str) -> None:
    """Also long after the run has ended, and while it goes on."""
    code = responding(
        "count = self.db.get('count', 0) + 1\nself.db.set('count', count)\n"
        "time.sleep(0.3)\nself.http.respond(status=201, body=str(count))"
    )
    endpoint = deploy(world, code)
    url = endpoint.url(base)
    async with working(world):
        at_once = await asyncio.gather(*(asyncio.to_thread(_post, url, "k") for _ in range(3)))
        await eventually(lambda: world.is_quiet(endpoint.source_id))
        later = await asyncio.to_thread(_post, url, "k")
        other = await asyncio.to_thread(_post, url, "another")
    answers = [(answer.status_code, answer.text) for answer in [*at_once, later]]
    assert answers == [(201, "1")] * 4
    assert other.text == "2"
    assert len(world.runs(endpoint.source_id)) == 2


def test_a_key_of_an_endpoint_is_free_again_after_a_day(
    world: World, base: str, endpoint: Endpoint
) -> None:
    assert _post(endpoint.url(base), "k").status_code == 200
    world.sql("UPDATE idempotency SET created_at = created_at - interval '25 hours'")
    assert _post(endpoint.url(base), "k", b"other").status_code == 200
    assert len(payloads(world, endpoint)) == 2


def test_a_key_over_255_bytes_is_400(world: World, base: str, endpoint: Endpoint) -> None:
    assert _post(endpoint.url(base), "k" * 255).status_code == 200
    answer = _post(endpoint.url(base), "k" * 256)
    assert answer.status_code == 400
    assert answer.json()["details"]["parameter"] == "Idempotency-Key"


# --- the API ----------------------------------------------------------------------------------


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _run(api: Api, source_id: str, key: str, body: Any = None) -> Any:
    headers = {"Idempotency-Key": key}
    return api.call("POST", f"/sources/{source_id}/run", body, **headers)


def test_a_repeated_call_has_one_effect(alice: Api) -> None:
    source = make_source(alice.user)
    answers = [_run(alice, source.id, "k", {"a": 1}) for _ in range(3)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 3
    assert _count("mailbox") == 1
    assert _run(alice, source.id, "other", {"a": 1}).status_code == 202
    assert _run(alice, source.id, "", {"a": 1}).status_code == 202
    assert _count("mailbox") == 3


def test_another_request_under_the_same_key_is_422(alice: Api) -> None:
    source, other = make_source(alice.user), make_source(alice.user)
    assert _run(alice, source.id, "k", {"a": 1}).status_code == 202
    for answer in (_run(alice, source.id, "k", {"a": 2}), _run(alice, other.id, "k", {"a": 1})):
        assert_error(answer, 422, code="idempotency_key_reused", parameter="Idempotency-Key")
    assert _count("mailbox") == 1


def test_keys_are_each_users_own(alice: Api, bob: Api) -> None:
    assert _run(alice, make_source(alice.user).id, "k").status_code == 202
    assert _run(bob, make_source(bob.user).id, "k").status_code == 202
    assert _count("mailbox") == 2


def test_what_was_refused_leaves_its_key_free(alice: Api) -> None:
    source = make_source(alice.user, state="inactive")
    assert_error(_run(alice, source.id, "k"), 400, code="source_inactive")
    source.state = "active"
    source.save()
    assert _run(alice, source.id, "k").status_code == 202
    assert _count("mailbox") == 1


def test_a_key_is_free_again_after_a_day(alice: Api) -> None:
    source = make_source(alice.user)
    assert _run(alice, source.id, "k").status_code == 202
    with connection.cursor() as cursor:
        cursor.execute("UPDATE idempotency SET created_at = created_at - interval '25 hours'")
    assert _run(alice, source.id, "k", {"new": True}).status_code == 202
    assert _count("mailbox") == 2


def test_keys_are_forgotten_after_a_day(alice: Api) -> None:
    source = make_source(alice.user)
    for key in ("old", "young"):
        assert _run(alice, source.id, key).status_code == 202
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE idempotency SET created_at = created_at - interval '25 hours'"
            " WHERE ctid = (SELECT min(ctid) FROM idempotency)"
        )
    sweeper.daily()
    assert _count("idempotency") == 1


def test_a_long_key_is_400(alice: Api) -> None:
    source = make_source(alice.user)
    answer = _run(alice, source.id, "k" * 256)
    assert_error(answer, 400, parameter="Idempotency-Key")


def test_an_answer_is_the_same_to_the_byte_and_kept_encrypted(alice: Api) -> None:
    component = make_component(alice.user, props=[])
    body = {"component_id": component.id, "name": "Once"}
    first, second = (
        alice.call("POST", "/sources", body, **{"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert first["Content-Type"] == second["Content-Type"]
    assert second["Cache-Control"] == "no-store"
    assert _count("sources_source") == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM idempotency")
        assert b"Once" not in bytes(cursor.fetchone()[0])


# --- the API through the web process ----------------------------------------------------------


def _create(base: str, key: str, once: str, **body: Any) -> httpx.Response:
    return httpx.post(
        f"{base}/v1/sources",
        json=body,
        headers={"Authorization": f"Bearer {key}", "Idempotency-Key": once},
        timeout=60,
    )


async def _until_answered(base: str, key: str, once: str, **body: Any) -> httpx.Response:
    """As a client does it: 409 means that the first one is under way."""
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": once}
    async with asyncio.timeout(60), httpx.AsyncClient(headers=headers, timeout=60) as client:
        while True:
            answer = await client.post(f"{base}/v1/sources", json=body)
            if answer.status_code != 409:
                return answer
            assert answer.json()["code"] == "idempotency_in_progress"
            assert answer.headers["retry-after"] == "1"
            await asyncio.sleep(0.1)


def test_calls_at_once_are_one_effect(world: World, base: str) -> None:
    key = make_key(world)
    component = world.component()
    body = {"component_id": component, "name": "Once"}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: _create(base, key, "k", **body), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert world.one("SELECT count(*) FROM sources_source") == 1


async def test_calls_that_wait_for_a_runner_are_one_effect(world: World, base: str) -> None:
    """Code to be loaded, then a hook: two operations, one source."""
    code = COUNTER + "\n    def on_deploy(self):\n        __import__('time').sleep(1)\n"
    key = make_key(world)
    async with working(world):
        answers = await asyncio.gather(
            *(_until_answered(base, key, "k", component_code=code) for _ in range(6))
        )
        later = await _until_answered(base, key, "k", component_code=code)
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.content for answer in answers} == {later.content}
    assert world.one("SELECT count(*) FROM sources_source") == 1
    assert world.one("SELECT count(*) FROM operation WHERE kind = 'create'") == 1


async def test_a_hook_that_failed_is_the_answer_and_is_not_run_again(
    world: World, base: str
) -> None:
    code = COUNTER + "\n    def on_deploy(self):\n        raise ValueError('no')\n"
    key, once = make_key(world), uuid4().hex
    async with working(world):
        first = await _until_answered(base, key, once, component_code=code)
        second = await _until_answered(base, key, once, component_code=code)
    assert (first.status_code, first.json()["code"]) == (400, "hook_failed")
    assert second.content == first.content
    assert world.one("SELECT count(*) FROM operation WHERE kind = 'create'") == 1


async def test_when_the_web_process_died_the_repeat_finds_the_source_it_had_begun(
    world: World, base: str
) -> None:
    """The answer of the first was never kept, its operation was."""
    code = COUNTER + "\n    def on_deploy(self):\n        pass\n"
    key = make_key(world)
    async with working(world):
        first = await _until_answered(base, key, "k", component_code=code)
        world.sql(
            "UPDATE idempotency SET status = NULL, headers = NULL, body = NULL,"
            " operation_id = (SELECT max(id) FROM operation WHERE kind = 'create')"
        )
        second = await _until_answered(base, key, "k", component_code=code)
    assert first.status_code == second.status_code == 200
    assert second.content == first.content
    assert world.one("SELECT count(*) FROM sources_source") == 1


async def test_when_the_web_process_died_before_any_effect_the_repeat_does_it(
    world: World, base: str
) -> None:
    key = make_key(world)
    async with working(world):
        await _until_answered(base, key, "k", component_code=COUNTER)
        world.sql("DELETE FROM sources_sourcechange; DELETE FROM sources_timer")
        world.sql("DELETE FROM sources_source")
        world.sql(
            "UPDATE idempotency SET status = NULL, headers = NULL, body = NULL,"
            " operation_id = (SELECT max(id) FROM operation WHERE kind = 'describe'),"
            " until = app_now() - interval '1 second'"
        )
        answer = await _until_answered(base, key, "k", component_code=COUNTER)
    assert answer.status_code == 200
    assert world.one("SELECT count(*) FROM sources_source") == 1
