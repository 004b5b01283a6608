"""What an endpoint turns away before it is stored: its rate, its mailbox (component spec. 5.2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import httpx
import pytest

from apps.api.ingress.facts import Facts
from apps.core.errors import ApiError
from tests.api.conftest import EdgeProcess
from tests.api.live import deploy, make_key, payloads
from tests.making import World, until


@pytest.fixture
def base(_shared_edge: EdgeProcess) -> str:
    return _shared_edge.url


def test_rate_limit_lets_a_burst_through_and_then_answers_429(world: World, base: str) -> None:
    endpoint, free = deploy(world, rate_limit=1), deploy(world)
    with httpx.Client() as client:
        began = time.monotonic()
        answers = [client.post(endpoint.url(base)) for _ in range(40)]
        took = time.monotonic() - began
        assert all(client.post(free.url(base)).status_code == 200 for _ in range(40))
    statuses = [answer.status_code for answer in answers]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    # Two at once, then one a second.
    accepted = statuses.count(200)
    assert 2 <= accepted <= 2 + took + 1
    assert len(payloads(world, endpoint)) == accepted


def test_after_a_pause_it_is_accepted_again(world: World, base: str) -> None:
    endpoint = deploy(world, rate_limit=1)
    with httpx.Client() as client:
        while client.post(endpoint.url(base)).status_code == 200:
            pass
        until(lambda: client.post(endpoint.url(base)).status_code == 200, every_s=0.1)


def test_the_bucket_fills_at_its_rate_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    # No time passes while it is spent.
    monkeypatch.setattr("apps.api.ingress.facts.time", SimpleNamespace(monotonic=lambda: now))
    facts = Facts("dc_1", 10, False, 1000, now + 1, tokens=0.0, filled_at=now - 0.45)
    for _ in range(4):
        facts.spend()
    with pytest.raises(ApiError) as refused:
        facts.spend()
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    rested = Facts("dc_1", 10, False, 1000, now + 1, tokens=20.0, filled_at=now - 3600)
    for _ in range(20):
        rested.spend()
    with pytest.raises(ApiError):
        rested.spend()


def test_a_full_mailbox_is_429_before_acceptance(
    world: World, start_edge: Callable[..., EdgeProcess]
) -> None:
    edge = start_edge(MAILBOX_CAP="5")
    endpoint = deploy(world)
    with httpx.Client() as client:
        statuses = [client.post(endpoint.url(edge.url)).status_code for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        refused = client.post(endpoint.url(edge.url))
        assert refused.json()["code"] == "mailbox_full"
        assert refused.headers["retry-after"]
        assert len(payloads(world, endpoint)) == 5
        # When runs have ended there is room again.
        world.sql("DELETE FROM mailbox")
        until(lambda: client.post(endpoint.url(edge.url)).status_code == 200, every_s=0.1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"concurrency": 8, "rate_limit": 50}, (8, 50)),
        ({"rate_limit": None}, (1, None)),
        ({}, (1, None)),
    ],
)
def test_limits_are_parameters_of_a_source_and_shown(
    world: World, base: str, body: dict[str, object], expected: tuple[int, int | None]
) -> None:
    headers = {"Authorization": f"Bearer {make_key(world)}"}
    wanted = {"component_id": world.component(), **body}
    with httpx.Client(headers=headers, base_url=f"{base}/v1") as client:
        made = client.post("/sources", json=wanted).json()["data"]
        assert (made["concurrency"], made["rate_limit"]) == expected
        changed = client.put(f"/sources/{made['id']}", json={"concurrency": 64, "rate_limit": 1})
        assert (changed.json()["data"]["concurrency"], changed.json()["data"]["rate_limit"]) == (
            64, 1,
        )  # fmt: skip
        lifted = client.put(f"/sources/{made['id']}", json={"rate_limit": None}).json()["data"]
        assert (lifted["concurrency"], lifted["rate_limit"]) == (64, None)


@pytest.mark.parametrize(
    "body",
    [{"concurrency": 0}, {"concurrency": 65}, {"concurrency": "4"}, {"rate_limit": 0},
     {"rate_limit": -1}, {"rate_limit": 1.5}],
)  # fmt: skip
def test_limits_that_are_refused_name_the_parameter(
    world: World, base: str, body: dict[str, object]
) -> None:
    headers = {"Authorization": f"Bearer {make_key(world)}"}
    wanted = {"component_id": world.component(), **body}
    answer = httpx.post(f"{base}/v1/sources", json=wanted, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["details"]["parameter"] == next(iter(body))
    assert world.one("SELECT count(*) FROM sources_source") == 0
