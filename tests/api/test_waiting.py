"""Answers that wait for a runner, over the edge: F8, F17."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
from django.db import connection

from apps.api.threads import THREADS
from apps.runs.models import Operation
from apps.sources.models import Source
from tests.api.clerk import FEED, Clerk
from tests.api.conftest import Api, EdgeProcess, StartEdge, make_component, make_source
from tests.servers import Server

CODE = "class MyFeed(Source): ..."
HOOKS = {**FEED, "hooks": ["deploy", "activate", "deactivate"]}


def _call(
    edge: EdgeProcess, caller: Api, method: str, path: str, body: Any = None
) -> httpx.Response:
    headers = {"authorization": f"Bearer {caller.key}"}
    return httpx.request(method, f"{edge.url}/v1{path}", json=body, headers=headers, timeout=60)


def _queued(count: int) -> None:
    deadline = time.monotonic() + 30
    while Operation.objects.filter(state="queued").count() < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_creation_from_code_waits_for_two_operations(edge: EdgeProcess, caller: Api) -> None:
    body = {"component_code": CODE, "configured_props": {"url": "u"}}
    with Clerk(HOOKS) as clerk:
        response = _call(edge, caller, "POST", "/sources?include=id,active", body)
    assert response.status_code == 200, response.text
    assert set(response.json()["data"]) == {"id", "active"}
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["x-request-id"]
    assert response.headers["cache-control"] == "no-store"
    assert clerk.hooks == ["deploy", "activate"]


def test_errors_of_the_runner_arrive(edge: EdgeProcess, caller: Api) -> None:
    error = {"name": "SyntaxError", "message": "invalid syntax", "code": "syntax_error", "line": 3}
    with Clerk(error=error):
        response = _call(edge, caller, "POST", "/components", {"component_code": CODE})
    assert response.status_code == 400
    assert response.json()["code"] == "syntax_error"


def test_delete_that_waited_has_no_body(edge: EdgeProcess, caller: Api) -> None:
    source = make_source(caller.user, make_component(caller.user, hooks=["deactivate"]))
    with Clerk() as clerk:
        response = _call(edge, caller, "DELETE", f"/sources/{source.id}")
    assert response.status_code == 204
    assert response.content == b""
    assert "content-type" not in response.headers
    assert clerk.hooks == ["deactivate"]


def test_f8_waiting_callers_hold_no_thread_and_no_connection(
    edge: EdgeProcess, caller: Api
) -> None:
    """Three times as many callers wait as there are threads; reads go on meanwhile."""
    waiting = 3 * THREADS
    with ThreadPoolExecutor(waiting) as pool:
        answers = [
            pool.submit(_call, edge, caller, "POST", "/components", {"component_code": CODE})
            for _ in range(waiting)
        ]
        _queued(waiting)
        assert _call(edge, caller, "GET", "/users/me").status_code == 200
        assert psutil.Process(edge.process.pid).is_running()
        assert not any(answer.done() for answer in answers)
        with Clerk():
            assert {answer.result(60).status_code for answer in answers} == {200}


def test_f17_change_that_no_runner_begins_is_taken_back(start_edge: StartEdge, caller: Api) -> None:
    edge = start_edge(UPDATE_WAIT_SECONDS="0.2")
    source = make_source(caller.user, make_component(caller.user, hooks=["deactivate"]))
    response = _call(edge, caller, "PUT", f"/sources/{source.id}", {"active": False})
    assert response.status_code == 409
    assert response.json()["error"] == "the source is busy; nothing was changed"
    assert Source.objects.get(id=source.id).state == "active"
    assert Operation.objects.get().state == "cancelled"
    body = {"component_id": source.component_id, "configured_props": {"url": "u"}}
    assert _call(edge, caller, "POST", "/sources", body).status_code == 200
    hooking = make_component(caller.user, hooks=["deploy"])
    response = _call(edge, caller, "POST", "/sources", {**body, "component_id": hooking.id})
    assert response.status_code == 503
    assert response.headers["retry-after"]


def test_f17_change_that_was_begun_is_waited_for(start_edge: StartEdge, caller: Api) -> None:
    edge = start_edge(UPDATE_WAIT_SECONDS="2")
    source = make_source(caller.user, make_component(caller.user, hooks=["deactivate"]))

    def slowly(_hook: Any) -> None:
        time.sleep(3)  # the hook itself takes longer than the wait for its beginning

    with Clerk(hook=slowly):
        response = _call(edge, caller, "PUT", f"/sources/{source.id}", {"active": False})
    assert response.status_code == 200, response.text
    assert response.json()["data"]["active"] is False


def test_a_lost_wake_up_delays_by_a_second_at_most(edge: EdgeProcess, caller: Api) -> None:
    """The row counts, not the key in Redis: it is re-read once a second."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_call, edge, caller, "POST", "/components", {"component_code": CODE})
        _queued(1)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE operation SET state = 'failed', ended_at = app_now(), result = %s",
                [b'{"error":{"name":"E","message":"m","code":"load_failed"}}'],
            )
        assert answer.result(10).json()["code"] == "load_failed"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_409_while_another_change_is_under_way(edge: EdgeProcess, caller: Api, method: str) -> None:
    source = make_source(caller.user)
    Operation.objects.create(kind="update", source_id=source.id, owner_id=caller.user.id)
    response = _call(edge, caller, method, f"/sources/{source.id}", {"active": False})
    assert response.status_code == 409
    assert response.json()["code"] == "conflict"


def _connections() -> int:
    """Idle connections of other processes to this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'idle' AND pid <> pg_backend_pid()"
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def test_database_that_restarts_meanwhile_only_delays_the_answer(
    edge: EdgeProcess, caller: Api, postgres: Server
) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_call, edge, caller, "POST", "/components", {"component_code": CODE})
        _queued(1)
        connection.close()
        postgres.stop()
        postgres.start()
        with Clerk():
            assert answer.result(30).status_code == 200
    assert httpx.get(f"{edge.url}/readyz").status_code == 200


def test_dead_connections_of_the_pool_cost_no_request_after_a_restart_of_the_database(
    edge: EdgeProcess, caller: Api, postgres: Server
) -> None:
    """More of them than a request has time to try one by one."""
    with ThreadPoolExecutor(4 * THREADS) as pool:
        while _connections() < THREADS // 2:
            list(pool.map(lambda _: _call(edge, caller, "GET", "/sources"), range(4 * THREADS)))
    connection.close()
    postgres.stop()
    postgres.start()
    assert _call(edge, caller, "GET", "/users/me").status_code == 200
