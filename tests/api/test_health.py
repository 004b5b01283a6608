"""`/healthz` and `/readyz` tell the truth about the web process, and nothing else about it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import orjson
import psutil
import pytest
from django.db import connection

from apps.api.health import Health
from apps.api.threads import Threads
from apps.runs.models import Process
from tests.api.conftest import EdgeProcess, StartEdge, database_url
from tests.api.live import eventually


def test_ready_names_each_check_with_its_time(edge: EdgeProcess) -> None:
    told = httpx.get(f"{edge.url}/readyz").json()
    assert told["status"] == "ready"
    assert list(told["checks"]) == ["database", "migrations", "redis"]
    for check in told["checks"].values():
        assert check["ok"] is True
        assert 0 <= check["ms"] < 3000
    assert set(told["processes"]) == {"web", "worker", "scheduler"}


def test_a_database_without_our_migrations_is_not_ready(start_edge: StartEdge) -> None:
    edge = start_edge(DATABASE_URL=database_url("postgres"))
    response = httpx.get(f"{edge.url}/readyz", timeout=20)
    assert response.status_code == 503
    assert "migrations are not applied" in response.json()["error"]
    checks = response.json()["details"]["checks"]
    assert checks["database"]["ok"] is True
    assert checks["migrations"]["ok"] is False


def test_one_migration_that_is_missing_is_seen(edge: EdgeProcess) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'runs' AND name LIKE '0001%'")
        try:
            response = httpx.get(f"{edge.url}/readyz", timeout=20)
        finally:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied)"
                " VALUES ('runs', '0001_initial', now())"
            )
    assert response.status_code == 503
    assert response.json()["error"] == "1 migrations are not applied"


def test_without_redis_web_is_ready_and_says_so(start_edge: StartEdge) -> None:
    edge = start_edge(REDIS_URL="redis://127.0.0.1:1/0")
    told = httpx.get(f"{edge.url}/readyz", timeout=20)
    assert told.status_code == 200
    redis = told.json()["checks"]["redis"]
    assert (redis["ok"], redis["required"]) == (False, False)


def test_strangers_learn_no_address_and_no_name(start_edge: StartEdge) -> None:
    secret = "hunter2hunter2"
    edge = start_edge(
        DATABASE_URL=f"postgresql://headwater:{secret}@127.0.0.1:1/nothing",
        REDIS_URL=f"redis://:{secret}@127.0.0.1:2/0",
    )
    for path in ("/healthz", "/readyz"):
        text = httpx.get(edge.url + path, timeout=20).text
        for word in (secret, "127.0.0.1", "headwater", "Traceback", "psycopg"):
            assert word not in text, (path, word)


async def test_a_web_process_gives_a_sign_of_life_and_says_when_it_stops(
    start_edge: StartEdge, transactional_db: None
) -> None:
    edge = start_edge(SILENT_SECONDS="2")
    # The session's other edges are there too.
    family = [edge.process.pid, *(p.pid for p in psutil.Process(edge.process.pid).children())]
    row: Any = await eventually(Process.objects.filter(kind="web", pid__in=family).first)
    before = row.seen_at
    await eventually(lambda: Process.objects.get(id=row.id).seen_at > before)
    assert "event_streams" in row.facts
    edge.process.terminate()
    await eventually(lambda: Process.objects.get(id=row.id).state == "stopped")


async def test_alive_is_whose_threads_get_somewhere() -> None:
    threads = Threads(1, stuck_seconds=0.05)
    health = Health(threads, dict)
    assert (await health.alive()).status_code == 200
    leave = threading.Event()
    try:
        hanging = threads.run(leave.wait)
        waiting = threads.run(int)
        async with asyncio.timeout(10):
            while (response := await health.alive()).status_code == 200:
                await asyncio.sleep(0.01)
        assert orjson.loads(response.content)["code"] == "unavailable"
    finally:
        leave.set()
    await asyncio.gather(hanging, waiting)
    assert (await health.alive()).status_code == 200


@pytest.mark.parametrize("calls", [1, 3])
async def test_busy_threads_are_not_stuck(calls: int) -> None:
    threads = Threads(2, stuck_seconds=60)
    await asyncio.gather(*(threads.run(int) for _ in range(calls)))
    assert threads.stuck() is False
