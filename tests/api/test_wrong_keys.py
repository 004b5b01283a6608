"""Thousands of wrong keys from one address (bad inputs): 429, over all web processes; right keys
work on, and so does everything without Valkey (docs/decisions/0070-keys.md)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis
from django.conf import settings

from apps.accounts import keys
from apps.api import auth, failures
from apps.api.failures import Failures
from tests.api.conftest import Api, EdgeProcess, assert_error

StartEdge = Callable[..., EdgeProcess]
FEW = 5


@pytest.fixture
def counters(valkey: object) -> Iterator[redis.Redis]:
    """Valkey, nothing counted."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for name in client.keys("wrong:*"):
            client.delete(name)
        yield client


def test_the_answer_is_429_and_a_right_key_still_works(alice: Api) -> None:
    wrong = f"Bearer {keys.generate()}"
    statuses = [alice.get("/users/me", authorization=wrong).status_code for _ in range(100)]
    assert statuses == [401] * 100
    for refused in (wrong, "Bearer garbage", "Basic YTpi"):
        response = alice.get("/users/me", authorization=refused)
        assert_error(response, 429, code="too_many_requests")
        assert 1 <= int(response["Retry-After"]) <= 60
    assert alice.get("/users/me").status_code == 200


def test_calls_without_any_key_are_no_guesses(nobody: Api, counters: redis.Redis) -> None:
    for _ in range(120):
        assert nobody.get("/users/me").status_code == 401
    assert counters.keys("wrong:*") == []


@pytest.fixture(scope="session")
def few(start_edge: StartEdge) -> EdgeProcess:
    return start_edge(WRONG_KEYS=str(FEW))


@pytest.fixture(scope="session")
def other(start_edge: StartEdge) -> EdgeProcess:
    """Another web process, behind a proxy on this host."""
    return start_edge(WRONG_KEYS=str(FEW), TRUSTED_PROXIES="127.0.0.1")


def statuses(edge: EdgeProcess, count: int, **headers: str) -> list[int]:
    headers["authorization"] = f"Bearer {keys.generate()}"
    with httpx.Client(timeout=30, headers=headers) as client:
        return [client.get(f"{edge.url}/v1/users/me").status_code for _ in range(count)]


def test_two_web_processes_count_together(
    caller: Api, few: EdgeProcess, other: EdgeProcess, counters: redis.Redis
) -> None:
    assert statuses(few, 3) == [401] * 3
    assert statuses(other, 3) == [401, 401, 429]
    assert statuses(few, 1) == [429]
    for edge in (few, other):
        right = {"authorization": f"Bearer {caller.key}"}
        assert httpx.get(f"{edge.url}/v1/users/me", headers=right).status_code == 200


def test_forwarded_for_is_ignored_unless_the_proxy_is_trusted(
    transactional_db: None, few: EdgeProcess, other: EdgeProcess, counters: redis.Redis
) -> None:
    spoofed = [
        status
        for n in range(FEW + 1)
        for status in statuses(few, 1, **{"x-forwarded-for": f"198.51.100.{n}"})
    ]
    assert spoofed == [401] * FEW + [429]
    for n in range(FEW + 1):
        assert statuses(other, 1, **{"x-forwarded-for": f"198.51.100.{n}"}) == [401]
    # What a client puts in front of what the proxy adds is its own invention.
    told = [
        status
        for n in range(FEW + 1)
        for status in statuses(other, 1, **{"x-forwarded-for": f"203.0.113.{n}, 192.0.2.9"})
    ]
    assert told == [401] * FEW + [429]


def test_no_number_of_addresses_takes_more_memory(
    counters: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "BUCKETS", 16)
    limit = Failures(settings.REDIS_URL, FEW)
    for n in range(400):
        limit.count(f"198.51.{n // 256}.{n % 256}")
    names = counters.keys("wrong:*")
    assert 1 < len(names) <= 16
    assert all(0 < int(counters.ttl(name)) <= 60 for name in names)


@pytest.mark.parametrize("state", ["away", "silent"])
def test_without_valkey_nobody_is_refused_or_kept_waiting(
    alice: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str
) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "valkey.sock"))
        if state == "silent":
            listening.listen()
        limit = Failures(f"unix://{tmp_path}/valkey.sock", FEW)
        monkeypatch.setattr(auth, "failures", limit)
        for _ in range(FEW * 2):
            assert alice.get("/users/me", authorization="Bearer garbage").status_code == 401
            assert alice.get("/users/me").status_code == 200


def test_a_web_process_without_valkey(caller: Api, start_edge: StartEdge, tmp_path: Path) -> None:
    edge = start_edge(WRONG_KEYS="1", REDIS_URL=f"unix://{tmp_path}/none.sock")
    assert statuses(edge, FEW) == [401] * FEW
    right = {"authorization": f"Bearer {caller.key}"}
    assert httpx.get(f"{edge.url}/v1/users/me", headers=right, timeout=30).status_code == 200


def test_it_counts_again_when_valkey_is_back(
    counters: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "AWAY_SECONDS", 0.0)
    limit = Failures(settings.REDIS_URL, 1)
    assert limit.count("192.0.2.1") is None
    # As after a restart: its connection is cut.
    assert counters.client_kill_filter(_id=str(limit._redis.client_id())) == 1
    assert limit.count("192.0.2.1") is not None
