"""Callers, rows to read, and the edge as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from psycopg.conninfo import make_conninfo

from apps.accounts import services
from apps.accounts.models import User
from apps.components.models import Component
from apps.core.ids import new_id
from apps.sources.models import Source
from tests.api.counted import no_wrong_keys
from tests.api.described import undeclared
from tests.api.live import world
from tests.api.worker import directory, hosts, started, told, worker
from tests.processes import ROOT, free_port

# Fixtures, for the tests of this folder.
__all__ = ["directory", "hosts", "no_wrong_keys", "started", "told", "worker", "world"]

CODE = "module.exports = {name: 'Feed', run() {}}"
PROPS = [{"name": "url", "type": "string"}, {"name": "timer", "type": "$.interface.timer"}]


class Api:
    """A caller with a key, through Django's test client (no edge)."""

    def __init__(self, user: User | None, key: str | None) -> None:
        self._user = user
        self.key = key
        self._client = Client(raise_request_exception=False)

    @property
    def user(self) -> User:
        assert self._user is not None
        return self._user

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        **headers: str,
    ) -> HttpResponse:
        """`body` is sent as it is when it is bytes, else as JSON. `path` is below /v1."""
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        if self.key is not None:
            headers.setdefault("authorization", f"Bearer {self.key}")
        response: Any = self._client.generic(
            method,
            f"/v1{path}",
            raw,
            content_type=content_type if raw else "",
            headers=headers,
        )
        assert isinstance(response, HttpResponse)
        assert undeclared(method, f"/v1{path}", body, response) == []
        return response

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.call("GET", path, **headers)

    def json(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        response = self.get(path)
        assert response.status_code == 200, response.content
        return orjson.loads(response.content)


def body_of(response: HttpResponse) -> Any:
    return orjson.loads(response.content)


def assert_error(
    response: HttpResponse, status: int, *, code: str | None = None, parameter: str | None = None
) -> Any:
    """An error of the one form: text, code, request id; no traceback, path or secret."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json; charset=utf-8"
    assert response["X-Request-ID"]
    body = body_of(response)
    assert isinstance(body["error"], str)
    assert body["error"]
    assert set(body) <= {"error", "code", "details"}
    assert b"Traceback" not in response.content
    assert str(ROOT).encode() not in response.content
    if code is not None:
        assert body["code"] == code
    if parameter is not None:
        assert body["details"]["parameter"] == parameter
        assert parameter in body["error"]
    return body


@pytest.fixture(autouse=True)
def _clean_tables(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """Django empties the tables of managed models after a transactional test; these it does not
    know."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE actor, component_state, mailbox, run, event")


def make_caller(name: str) -> Api:
    user = services.create_user(name, f"{name}@example.org")
    return Api(user, services.create_key(user, "test")[1])


@pytest.fixture
def alice(db: None) -> Api:
    return make_caller("alice")


@pytest.fixture
def bob(db: None) -> Api:
    return make_caller("bob")


@pytest.fixture
def nobody(db: None) -> Api:
    return Api(None, None)


def make_component(owner: User | None, **fields: Any) -> Component:
    defaults: dict[str, Any] = {
        "key": "feed",
        "name": "Feed",
        "name_slug": "feed",
        "version": "0.0.1",
        "language": "javascript",
        "code": CODE,
        "code_hash": "0" * 64,
        "props": PROPS,
    }
    return Component.objects.create(owner=owner, **{**defaults, **fields})


def make_source(owner: User, component: Component | None = None, **fields: Any) -> Source:
    """A deployed source as the lifecycle leaves it, ready to be read."""
    name = fields.pop("name", f"feed-{uuid4().hex[:8]}")
    defaults: dict[str, Any] = {
        "state": Source.State.ACTIVE,
        "name": name,
        "name_slug": name,
        "configured_props": {
            "url": "https://example.org/feed",
            "timer": {"cron": None, "interval_seconds": 60},
        },
    }
    source = Source.objects.create(
        owner=owner, component=component or make_component(owner), **{**defaults, **fields}
    )
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO actor (source_id) VALUES (%s)", [source.id])
        cursor.execute("INSERT INTO component_state (source_id) VALUES (%s)", [source.id])
    return source


@pytest.fixture
def source(alice: Api) -> Source:
    return make_source(alice.user)


def store_event(
    source_id: str,
    ms: int,
    n: int = 0,
    payload: bytes = b'{"a":1}',
    *,
    channel: str = "",
    meta: bytes = b"{}",
    due_in_s: float | None = None,
) -> str:
    """Insert one event as a commit does; returns its id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event"
            " (source_id, channel, ms, n, run_id, payload, meta, stored_at, due_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, app_now(),"
            " app_now() + make_interval(secs => %s))",
            [source_id, channel, ms, n, uuid4(), payload, meta, due_in_s],
        )
    return f"{ms}-{n}"


@pytest.fixture
def unknown_source() -> str:
    return new_id("dc")


class EdgeProcess:
    """Granian serving `config.asgi` on a port of its own."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url = url
        self.process = process
        self.log = log

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)


def database_url(name: str) -> str:
    """The test server's address with another database."""
    return make_conninfo(settings.DATABASE_URL, dbname=name)


def _current_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


StartEdge = Callable[..., EdgeProcess]


@pytest.fixture(scope="session")
def start_edge(
    test_database: None,
    django_db_blocker: Any,
    server_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[StartEdge]:
    """Start edges on the test database, with settings of the environment on top."""
    running: list[subprocess.Popen[bytes]] = []
    with django_db_blocker.unblock():
        url = database_url(_current_database())
    base = {**os.environ, **server_environment, "DATABASE_URL": url}

    def start(**environment: str) -> EdgeProcess:
        port, log = free_port(), tmp_path_factory.mktemp("edge") / "edge.log"
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws"]
        command += ["--port", str(port), "config.asgi:application"]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**base, **environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        running.append(process)
        edge = EdgeProcess(f"http://127.0.0.1:{port}", process, log)
        _await_answer(edge)
        return edge

    yield start
    for process in running:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


@pytest.fixture(scope="session")
def _shared_edge(start_edge: StartEdge) -> EdgeProcess:
    return start_edge()


def _await_answer(edge: EdgeProcess) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and edge.process.poll() is None:
        try:
            if httpx.get(f"{edge.url}/healthz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(edge.log.read_text())


@pytest.fixture
def edge(_shared_edge: EdgeProcess, transactional_db: None) -> EdgeProcess:
    return _shared_edge


@pytest.fixture
def caller(transactional_db: None) -> Api:
    """A caller whose rows are committed, for use with the edge."""
    return make_caller("carol")
