"""The edge over real HTTP: one process of Granian, real sockets (docs/decisions/0011)."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from apps.api.edge import Edge
from tests.api.conftest import Api, EdgeProcess, database_url, make_source, store_event

LIMIT = 1024 * 1024


def _raw(edge: EdgeProcess, request: bytes, *, more: bytes = b"", seconds: float = 15) -> bytes:
    """Send bytes, then `more` again and again until the server answers; the whole answer."""
    with socket.create_connection(edge.address, timeout=seconds) as connection:
        connection.sendall(request)
        connection.settimeout(0.02 if more else seconds)
        answer = b""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if more:
                    connection.sendall(more)
                chunk = connection.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
            if not chunk:
                break
            answer += chunk
            more = b""
        return answer


def _head(api: Api, method: str, path: str, *headers: str) -> bytes:
    lines = [
        f"{method} /v1{path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {api.key}",
        "Connection: close",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _call(edge: EdgeProcess, caller: Api, method: str, path: str, **options: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {caller.key}", **options.pop("headers", {})}
    return httpx.request(method, f"{edge.url}/v1{path}", headers=headers, timeout=20, **options)


def test_reads_and_errors_arrive_as_django_made_them(edge: EdgeProcess, caller: Api) -> None:
    source = make_source(caller.user)
    payload = '{"b":1.0,"a":"ü"}'.encode()
    store_event(source.id, 1589486981597, 0, payload)
    response = _call(edge, caller, "GET", f"/sources/{source.id}/event_summaries/?limit=1")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["x-request-id"]
    assert b'"event":%b,' % payload in response.content
    assert response.json()["page_info"]["total_count"] == 1
    response = _call(edge, caller, "GET", "/sources/dc_000000")
    assert response.status_code == 404
    assert response.json() == {"error": "not found", "code": "not_found"}


def test_t8_no_redirect_loses_a_body_or_a_key(edge: EdgeProcess, caller: Api) -> None:
    for path in ("/sources", "/sources/"):
        response = _call(edge, caller, "POST", path, json={"component_id": "sc_000000"})
        assert response.status_code == 400
        assert response.json()["details"]["parameter"] == "component_id"


def test_t9_head_has_the_headers_and_no_body(edge: EdgeProcess, caller: Api) -> None:
    whole = _call(edge, caller, "GET", "/users/me")
    head = _call(edge, caller, "HEAD", "/users/me")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == whole.headers["content-length"]
    # The connection stays in step: what follows on it is the next answer.
    with httpx.Client(base_url=edge.url) as client:
        headers = {"authorization": f"Bearer {caller.key}"}
        assert client.head("/v1/users/me", headers=headers).status_code == 200
        assert client.get("/v1/users/me", headers=headers).json()["data"]["id"] == caller.user.id


def test_t10_202_and_204_have_no_body(edge: EdgeProcess, caller: Api) -> None:
    source = make_source(caller.user)
    response = _call(edge, caller, "DELETE", f"/sources/{source.id}/events")
    assert response.status_code == 202
    assert response.content == b""
    assert "content-type" not in response.headers


def test_413_from_the_announced_length_before_the_body_is_read(
    edge: EdgeProcess, caller: Api
) -> None:
    request = _head(
        caller, "POST", "/sources", "Content-Type: application/json", f"Content-Length: {10**12}"
    )
    answer = _raw(edge, request)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"x-request-id" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "too_large"


def test_413_at_the_cap_of_an_endless_chunked_body(edge: EdgeProcess, caller: Api) -> None:
    request = _head(
        caller, "POST", "/sources", "Content-Type: application/json", "Transfer-Encoding: chunked"
    )
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    answer = _raw(edge, request, more=chunk)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_chunked_body_within_the_cap_is_read(edge: EdgeProcess, caller: Api) -> None:
    def chunks() -> Any:
        yield b'{"component_id":'
        yield b' "sc_000000"}'

    response = _call(
        edge, caller, "POST", "/sources", content=chunks(),
        headers={"content-type": "application/json"},
    )  # fmt: skip
    assert response.json()["details"]["parameter"] == "component_id"


def test_body_of_just_the_limit_is_read_and_one_byte_more_is_413(
    edge: EdgeProcess, caller: Api
) -> None:
    frame = b'{"component_id":"sc_000000","x":"%b"}'
    fill = LIMIT - len(frame) + 2
    headers = {"content-type": "application/json"}
    for extra, status in ((0, 400), (1, 413)):
        body = frame % (b"x" * (fill + extra))
        response = _call(edge, caller, "POST", "/sources", content=body, headers=headers)
        assert response.status_code == status, response.text


def test_content_length_beside_chunked_is_refused(edge: EdgeProcess, caller: Api) -> None:
    request = _head(
        caller,
        "POST",
        "/sources",
        "Content-Type: application/json",
        "Content-Length: 2",
        "Transfer-Encoding: chunked",
    )
    answer = _raw(edge, request + b"2\r\n{}\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_header_names_with_underscores_do_not_pass_for_others(
    edge: EdgeProcess, caller: Api
) -> None:
    request = _head(caller, "GET", "/users/me")
    request = request.replace(b"Authorization:", b"X: y\r\nAuthorization_:")
    assert _raw(edge, request).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("path", ["/v1/sources/%00", "/v1/sources/%ff%fe", "/v1/sources/..%2f.."])
def test_strange_paths_are_404(edge: EdgeProcess, caller: Api, path: str) -> None:
    response = httpx.get(edge.url + path, headers={"authorization": f"Bearer {caller.key}"})
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_health_and_readiness(edge: EdgeProcess) -> None:
    assert httpx.get(f"{edge.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{edge.url}/readyz").json()["status"] == "ready"
    assert httpx.post(f"{edge.url}/readyz").status_code == 405
    assert httpx.get(f"{edge.url}/healthz").headers["x-request-id"]


def test_not_ready_and_not_blind_without_a_database(
    start_edge: Callable[..., EdgeProcess], caller: Api
) -> None:
    edge = start_edge(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    response = httpx.get(f"{edge.url}/readyz", timeout=20)
    assert response.status_code == 503
    assert response.json()["code"] == "unavailable"
    assert httpx.get(f"{edge.url}/healthz").status_code == 200


def test_500_is_json_without_a_traceback_also_in_debug(
    start_edge: Callable[..., EdgeProcess], caller: Api
) -> None:
    """A database without our tables makes every query fail in an unforeseen way."""
    edge = start_edge(DATABASE_URL=database_url("postgres"), DEBUG="1")
    response = _call(edge, caller, "GET", "/users/me")
    assert response.status_code == 500
    assert response.json() == {"error": "internal error", "code": "internal_error"}
    assert response.headers["x-request-id"]


async def test_body_that_comes_too_slowly_is_408_and_the_connection_is_closed() -> None:
    """One byte at a time for ever; the bound is on the whole body, not on the pause."""
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/sources",
        "query_string": b"",
        "headers": [(b"transfer-encoding", b"chunked")],
    }
    await Edge(_unused, body_seconds=0.1)(scope, receive, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["code"] == "timeout"


async def test_client_that_leaves_before_its_body_is_complete_costs_no_call() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        raise AssertionError("nobody listens")

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/sources",
        "query_string": b"",
        "headers": [(b"content-length", b"10")],
    }
    await Edge(_unused)(scope, receive, send)


def _unused(_environ: dict[str, Any], _start: Callable[..., Any]) -> list[bytes]:
    raise AssertionError("Django must not be asked")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % i for i in range(1001))),
    ],
)
def test_forms_that_are_malformed_are_400_json_outside_the_api_too(
    edge: EdgeProcess, content_type: str, body: bytes
) -> None:
    with httpx.Client() as browser:
        page = browser.get(f"{edge.url}/admin/login/")
        assert page.status_code == 200
        assert "csrftoken" in browser.cookies
        headers = {"content-type": content_type}
        response = browser.post(page.url, content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]


def test_many_callers_at_once(edge: EdgeProcess, caller: Api) -> None:
    """More than there are threads and database connections: all are served."""
    with ThreadPoolExecutor(64) as pool:
        answers = list(
            pool.map(lambda _: _call(edge, caller, "GET", "/users/me").status_code, range(256))
        )
    assert answers == [200] * 256
