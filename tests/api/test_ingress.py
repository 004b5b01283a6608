"""Endpoints of sources over real HTTP: what is accepted is stored, and nothing else is
(component specification 5.2; G1)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.db import connection
from psycopg import sql

from tests.api.conftest import EdgeProcess
from tests.api.live import Endpoint, deploy, payloads
from tests.making import World
from tests.servers import Server


@pytest.fixture
def base(_shared_edge: EdgeProcess) -> str:
    return _shared_edge.url


@pytest.fixture
def endpoint(world: World) -> Endpoint:
    return deploy(world)


def test_the_event_has_exactly_its_keys(world: World, base: str, endpoint: Endpoint) -> None:
    answer = httpx.post(
        endpoint.url(base, "/a/b?x=1&x=2&y"),
        content=b'{"n": 1.0, "long": 12345678901234567890}',
        headers={"Content-Type": "application/json", "X-Hub-Signature": "sha1=ab"},
    )
    assert answer.status_code == 200
    assert answer.json() == {"status": "accepted"}
    assert answer.headers["access-control-allow-origin"] == "*"
    [event] = payloads(world, endpoint)
    assert set(event) == {"method", "path", "query", "headers", "bodyRaw", "body"}
    assert (event["method"], event["path"]) == ("POST", "/a/b")
    assert event["query"] == {"x": "2", "y": ""}
    assert event["headers"]["x-hub-signature"] == "sha1=ab"
    assert event["bodyRaw"] == '{"n": 1.0, "long": 12345678901234567890}'
    assert event["body"] == {"n": 1.0, "long": 12345678901234567890}


@pytest.mark.parametrize("path", ["", "/", "/deep/er/", "/%2e%2e%2fv1", "//x", "/h/other"])
def test_every_path_below_the_endpoint_is_its_own(
    world: World, base: str, endpoint: Endpoint, path: str
) -> None:
    assert httpx.get(endpoint.url(base, path)).status_code == 200
    [event] = payloads(world, endpoint)
    assert event["path"] == (path or "/")
    assert event["body"] is None
    assert event["bodyRaw"] == ""


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "PURGE"])
def test_every_method_is_passed_on(
    world: World, base: str, endpoint: Endpoint, method: str
) -> None:
    answer = httpx.request(method, endpoint.url(base))
    assert answer.status_code == 200
    assert bool(answer.content) == (method != "HEAD")
    assert [event["method"] for event in payloads(world, endpoint)] == [method]


def test_options_is_answered_and_no_run_is_started(
    world: World, base: str, endpoint: Endpoint
) -> None:
    headers = {"Origin": "https://example.org", "Access-Control-Request-Headers": "x-a, x-b"}
    answer = httpx.options(endpoint.url(base, "/x"), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "x-a, x-b"
    assert payloads(world, endpoint) == []


def test_trace_is_405(world: World, base: str, endpoint: Endpoint) -> None:
    answer = httpx.request("TRACE", endpoint.url(base))
    assert answer.status_code == 405
    assert "PATCH" in answer.headers["allow"]
    assert payloads(world, endpoint) == []


def _deleted(world: World, endpoint: Endpoint) -> None:
    world.sql(
        "UPDATE sources_source SET state = 'deleted', endpoint_key = NULL WHERE id = %s",
        endpoint.source_id,
    )


def _state(state: str) -> Callable[[World, Endpoint], None]:
    def change(world: World, endpoint: Endpoint) -> None:
        world.sql("UPDATE sources_source SET state = %s WHERE id = %s", state, endpoint.source_id)

    return change


@pytest.mark.parametrize("change", [_deleted, _state("inactive"), _state("failed")])
@pytest.mark.parametrize("known", [False, True])
def test_an_endpoint_that_accepts_nothing_is_404_at_once(
    world: World,
    base: str,
    endpoint: Endpoint,
    change: Callable[[World, Endpoint], None],
    known: bool,
) -> None:
    """Also when the web has just found it there (`known`): the INSERT itself asks."""
    if known:
        assert httpx.post(endpoint.url(base)).status_code == 200
    before = len(payloads(world, endpoint))
    change(world, endpoint)
    answer = httpx.post(endpoint.url(base))
    assert answer.status_code == 404
    assert answer.json() == {"error": "not found", "code": "not_found"}
    assert len(payloads(world, endpoint)) == before


@pytest.mark.parametrize(
    "key", ["", "x", "A" * 32, "a" * 33, "0" * 32, "a%00" + "a" * 28, "é" * 32]
)
def test_an_unknown_endpoint_is_404(world: World, base: str, key: str) -> None:
    assert httpx.post(f"{base}/h/{key}").status_code == 404


def test_a_source_being_created_accepts_already(world: World, base: str) -> None:
    """F4: its provider is told of the endpoint by `activate`."""
    endpoint = deploy(world, state="creating")
    assert httpx.post(endpoint.url(base)).status_code == 200
    assert len(payloads(world, endpoint)) == 1


def test_body_of_just_the_limit_is_taken_and_one_byte_more_is_413(
    world: World, base: str, endpoint: Endpoint
) -> None:
    limit = 512 * 1024
    assert httpx.post(endpoint.url(base), content=b"x" * limit).status_code == 200
    answer = httpx.post(endpoint.url(base), content=b"x" * (limit + 1))
    assert answer.status_code == 413
    assert len(payloads(world, endpoint)) == 1


def test_an_endless_chunked_body_is_413_at_the_cap(
    world: World, base: str, endpoint: Endpoint
) -> None:
    def chunks() -> Any:
        for _ in range(1000):
            yield b"x" * 8192

    # Or it is closed before all was sent: the cap has worked all the same.
    with contextlib.suppress(httpx.WriteError):
        assert httpx.post(endpoint.url(base), content=chunks()).status_code == 413
    assert payloads(world, endpoint) == []


@pytest.mark.parametrize(
    "headers",
    [{f"x-{i}": "y" for i in range(500)}, {"x-long": "y" * 64 * 1024}],
    ids=["500 headers", "64 KB header"],
)
def test_too_many_or_too_long_headers_are_431(
    world: World, base: str, endpoint: Endpoint, headers: dict[str, str]
) -> None:
    assert httpx.post(endpoint.url(base), headers=headers).status_code == 431
    assert payloads(world, endpoint) == []


def test_g1_what_is_answered_200_is_committed_and_each_is_one_run(
    world: World, base: str, endpoint: Endpoint
) -> None:
    """Written in groups: each caller hears of its own."""
    with httpx.Client(limits=httpx.Limits(max_connections=16)) as client:

        def call(number: int) -> int:
            return client.post(endpoint.url(base), json={"number": number}).status_code

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(call, range(300))) == [200] * 300
    found = sorted(event["body"]["number"] for event in payloads(world, endpoint))
    assert found == list(range(300))


def test_g1_what_cannot_be_committed_is_503_and_what_goes_with_it_is_not_lost(
    world: World, base: str, endpoint: Endpoint
) -> None:
    """The database refuses at the very end, at COMMIT."""
    world.sql(
        sql.SQL(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'no' USING ERRCODE = '53100'; END $$;"
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON mailbox"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
        ).as_string()
    )
    try:
        answer = httpx.post(endpoint.url(base))
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    finally:
        world.sql("DROP TRIGGER refuse ON mailbox; DROP FUNCTION refuse")
    assert payloads(world, endpoint) == []
    assert httpx.post(endpoint.url(base)).status_code == 200


def test_503_without_a_database(start_edge: Callable[..., EdgeProcess], world: World) -> None:
    edge = start_edge(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    answer = httpx.post(f"{edge.url}/h/{'a' * 32}", timeout=30)
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"


def test_a_restart_of_the_database_costs_no_request(
    world: World, base: str, endpoint: Endpoint, postgres: Server
) -> None:
    """The connections of before are known to be dead before a request is sent on them."""
    with ThreadPoolExecutor(16) as pool:
        calls = list(pool.map(lambda _: httpx.post(endpoint.url(base)), range(64)))
    assert {answer.status_code for answer in calls} == {200}
    world.close()
    connection.close()
    postgres.stop()
    postgres.start()
    assert httpx.post(endpoint.url(base)).status_code == 200
    assert len(payloads(world, endpoint)) == 65


def test_at_a_host_of_its_own_every_path_is_the_endpoints(
    start_edge: Callable[..., EdgeProcess], world: World
) -> None:
    edge, endpoint = start_edge(ENDPOINT_DOMAIN="in.example.org"), deploy(world)
    host = {"Host": f"{endpoint.key}.In.example.org:8000"}
    for path in ("/", "/v1/users/me", "/healthz", "/h/abc"):
        assert httpx.get(edge.url + path, headers=host).status_code == 200
    assert [event["path"] for event in payloads(world, endpoint)] == [
        "/", "/v1/users/me", "/healthz", "/h/abc",
    ]  # fmt: skip
    assert httpx.get(endpoint.url(edge.url)).status_code == 200
    other = {"Host": f"{endpoint.key}.example.org"}
    assert httpx.get(edge.url + "/healthz", headers=other).json() == {"status": "ok"}
    stranger = {"Host": f"{'0' * 32}.in.example.org"}
    assert httpx.get(edge.url + "/", headers=stranger).status_code == 404


def test_forwarded_addresses_are_data_and_nothing_more(
    world: World, base: str, endpoint: Endpoint
) -> None:
    spoofed = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example"}
    assert httpx.post(endpoint.url(base), headers=spoofed).status_code == 200
    [event] = payloads(world, endpoint)
    assert event["headers"]["x-forwarded-for"] == "203.0.113.9"
